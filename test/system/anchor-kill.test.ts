import { spawn, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { connectAsync, type MqttClient } from "mqtt";
import {
  concatBytes,
  decodeDown,
  downTopic,
  parseReceipt,
  toHex,
  upTopic,
  verifyReceipt,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { AnchorLog } from "../support/anchor-log.ts";
import { checkLog } from "../support/testlog.ts";
import { startBroker } from "../unit/broker/start.ts";

const MAIN = join(import.meta.dirname, "..", "..", "anchor", "src", "main.ts");
const ISS = "city/gw-1";
const children: ChildProcess[] = [];
/** Those that the test ended; an end of another is told to whoever waits for receipts. */
const asked = new Set<ChildProcess>();
const unasked = Promise.withResolvers<never>();
unasked.promise.catch(() => undefined);
afterEach(() => {
  for (const child of children.splice(0)) {
    asked.add(child);
    child.kill("SIGKILL");
  }
});

/** Resolves when it serves; rejects with its last words where it ends before. */
function run(config: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, [MAIN, "run", "--config", config], {
    stdio: ["ignore", "pipe", "pipe"],
  });
  children.push(child);
  let words = "";
  child.stderr.on("data", (chunk: Buffer) => (words = (words + chunk.toString()).slice(-2000)));
  return new Promise((resolve, reject) => {
    child.stdout.once("data", () => resolve(child));
    child.once("exit", (code) => {
      const ended = new Error(`ended with ${code}: ${words}`);
      reject(ended);
      if (!asked.has(child)) unasked.reject(ended);
    });
  });
}

const killed = (child: ChildProcess): Promise<unknown> => {
  const gone = new Promise((resolve) => child.once("exit", resolve));
  asked.add(child);
  child.kill("SIGKILL");
  return gone;
};

test(
  "killed at any moment, the log goes on, and no receipt it gave is ever wrong",
  { timeout: 120_000 },
  async () => {
    const log = await AnchorLog.create();
    const broker = await startBroker();
    let gateway: MqttClient | undefined;
    try {
      const chain = (await log.enrol(ISS)).chain();
      const { key } = log.opened.log.signer;
      log.close();
      const config = join(log.folder, "anchor.yaml");
      writeFileSync(
        config,
        `version: 1\ndata: ${log.config.data}\nhttp: { listen: "127.0.0.1:0" }\nbroker: { url: "${broker.url}", settleMs: 50 }\nbatch: { maxItems: 16, maxWaitMs: 5 }\n`,
      );
      const receipted = new Map<string, number>();
      let heard = Promise.withResolvers<void>();
      const connected = await connectAsync(broker.url, { clientId: ISS, reconnectPeriod: 0 });
      gateway = connected;
      connected.on("message", (_topic, payload) => {
        for (const message of decodeDown(new Uint8Array(payload))) {
          if (message.kind !== "receipt") continue;
          const { indexes } = verifyReceipt(
            parseReceipt(message.receipt),
            message.hashes,
            key,
            createNodeProvider(),
            nodeSha256,
          );
          for (const [i, hash] of message.hashes.entries()) receipted.set(toHex(hash), indexes[i] as number);
        }
        heard.resolve();
        heard = Promise.withResolvers();
      });
      await connected.subscribeAsync(downTopic(ISS), { qos: 1 });
      const outstanding = (all: readonly Statement[]): Statement[] =>
        all.filter(({ hash }) => !receipted.has(toHex(hash)));
      /** As an agent does: what has no receipt after a while is sent again. */
      const sendUntil = async (all: readonly Statement[], wanted: number): Promise<void> => {
        while (receipted.size < wanted) {
          const missing = outstanding(all).slice(0, 200);
          for (let at = 0; at < missing.length; at += 50) {
            const payload = concatBytes(...missing.slice(at, at + 50).map(({ bytes }) => bytes));
            await connected.publishAsync(upTopic(ISS), Buffer.from(payload), { qos: 1 });
          }
          const again = delay(1000);
          while (
            receipted.size < wanted &&
            (await Promise.race([heard.promise.then(() => true), again.then(() => false), unasked.promise]))
          );
        }
      };

      // Each round takes at most its wish and one send of 200 on top, so that every round has some left to wait for.
      const all = await chain.filled(1600);
      for (let round = 1; round <= 4; round++) {
        const child = await run(config);
        // Some receipts are here, others on their way: batches of 16 are in every stage.
        const wanted = receipted.size + 20 * round;
        expect(wanted).toBeLessThan(all.length);
        await sendUntil(all, wanted);
        await killed(child);
        const { size, entries } = checkLog(log.publicFolder, log.policy);
        expect(size).toBeGreaterThanOrEqual(2 + receipted.size);
        for (const [hash, index] of receipted) expect(toHex(entries[index] as Uint8Array)).toBe(hash);
      }
      const last = await run(config);
      await sendUntil(all, all.length);
      const gone = new Promise((resolve) => last.once("exit", resolve));
      asked.add(last);
      last.kill("SIGTERM");
      expect(await gone).toBe(0);
      const { size, entries } = checkLog(log.publicFolder, log.policy);
      expect(size).toBe(1602);
      for (const [hash, index] of receipted) expect(toHex(entries[index] as Uint8Array)).toBe(hash);
    } finally {
      gateway?.end(true);
      log.remove();
    }
  },
);
