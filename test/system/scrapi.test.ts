import { readFileSync } from "node:fs";
import { request } from "node:https";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { parseReceipt, toHex, verifyReceipt, type Statement } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { AnchorLog, type AnchorChain } from "../support/anchor-log.ts";
import { anchorConfig, startAnchor, type AnchorProcess } from "../support/anchor-process.ts";
import { checkLog } from "../support/testlog.ts";
import { selfSigned, type TestCertificate } from "../support/tls-files.ts";
import { startBroker, type Running } from "../unit/broker/start.ts";

const provider = createNodeProvider();
let log: AnchorLog;
let broker: Running;
let chain: AnchorChain;
let certificate: TestCertificate;
let config: string;
let anchor: AnchorProcess | undefined;

beforeEach(async () => {
  log = await AnchorLog.create();
  broker = await startBroker();
  chain = (await log.enrol("city/gw-1")).chain();
  log.close();
  certificate = selfSigned(log.folder, "anchor");
  const tls = `{ cert: "${certificate.cert}", key: "${certificate.key}" }`;
  config = anchorConfig(join(log.folder, "anchor.yaml"), {
    data: log.config.data,
    broker: broker.url,
    more: [`public: { listen: "127.0.0.1:0", tls: ${tls} }`],
  });
});
afterEach(async () => {
  await anchor?.end("SIGKILL");
  anchor = undefined;
  await broker.stop();
  log.remove();
});

type Answer = { readonly status: number; readonly location: string; readonly body: Uint8Array };

/** Where the anchor that answers now is asked over TLS. */
function overTls(method: string, path: string, body?: Uint8Array): Promise<Answer> {
  const url = new URL(path, anchor?.publicUrl);
  const ca = readFileSync(certificate.cert);
  const headers = { "content-type": "application/cose" };
  return new Promise((resolve, reject) => {
    const asked = request(url, { method, ca, headers, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on("data", (part: Buffer) => parts.push(part));
      response.on("error", reject);
      response.on("end", () =>
        resolve({
          status: response.statusCode ?? 0,
          location: response.headers.location ?? "",
          body: new Uint8Array(Buffer.concat(parts)),
        }),
      );
    });
    asked.on("error", reject);
    asked.end(body);
  });
}

async function overLoopback(method: string, path: string, body?: Uint8Array): Promise<Answer> {
  const response = await fetch(new URL(path, anchor?.url), {
    method,
    headers: { "content-type": "application/cose" },
    ...(body !== undefined && { body: new Uint8Array(body) }),
  });
  const location = response.headers.get("location") ?? "";
  return { status: response.status, location, body: new Uint8Array(await response.arrayBuffer()) };
}

function indexIn(receipt: Uint8Array, hash: Uint8Array): number | undefined {
  const { key } = log.opened.log.signer;
  return verifyReceipt(parseReceipt(receipt), [hash], key, provider, nodeSha256).indexes[0];
}

test("registers over TLS and on loopback alike, and nothing else of the archive is public", async () => {
  anchor = await startAnchor(config);
  const opening = await chain.open();
  let answer = await overTls("POST", "/entries", opening.bytes);
  while (answer.status === 503) {
    await delay(20); // not settled with the broker yet
    answer = await overTls("POST", "/entries", opening.bytes);
  }
  expect([answer.status, answer.location]).toEqual([201, `/entries/${toHex(opening.hash)}`]);
  expect(indexIn(answer.body, opening.hash)).toBe(2);
  const again = await overLoopback("POST", "/entries", opening.bytes);
  expect([again.status, toHex(again.body)]).toEqual([201, toHex(answer.body)]);
  const fetched = await overTls("GET", answer.location);
  expect([fetched.status, toHex(fetched.body)]).toEqual([200, toHex(answer.body)]);
  expect((await overTls("GET", "/.well-known/scitt-keys")).status).toBe(200);
  expect((await overTls("GET", `/statements/${toHex(opening.hash)}`)).status).toBe(404);
  expect(await anchor.end("SIGTERM")).toBe(0);
});

test(
  "killed at any moment: whatever was acknowledged is in the log, at its location, with its receipt",
  { timeout: 120_000 },
  async () => {
    const all = await chain.filled(900);
    const acknowledged = new Map<string, { readonly hash: Uint8Array; readonly receipt: string }>();
    let next = 0;
    /** Posts one after the other until the anchor is gone; what had no answer is posted again by somebody later. */
    const postOn = async (post: typeof overTls, again: Statement[]): Promise<void> => {
      for (;;) {
        const statement = again.pop() ?? all[next++];
        if (statement === undefined) return;
        try {
          const { status, location, body } = await post("POST", "/entries", statement.bytes);
          if (status === 201) acknowledged.set(location, { hash: statement.hash, receipt: toHex(body) });
          else again.push(statement);
          if (status !== 201 && status !== 202 && status !== 503)
            throw new Error(`answered ${status}: ${Buffer.from(body).toString("latin1")}`);
        } catch (error) {
          if (error instanceof Error && error.message.startsWith("answered")) throw error;
          again.push(statement);
          return;
        }
      }
    };
    const open: Statement[] = [];
    for (let round = 1; round <= 4; round++) {
      anchor = await startAnchor(config);
      const posting = Promise.all(
        Array.from({ length: 8 }, (_, i) => postOn(i % 4 === 0 ? overTls : overLoopback, open)),
      );
      while (acknowledged.size < 30 * round) await Promise.race([delay(1), posting]);
      await anchor.end("SIGKILL");
      await posting;
      expect(next).toBeLessThan(all.length);
      const { entries } = checkLog(log.publicFolder, log.policy);
      for (const { hash, receipt } of acknowledged.values()) {
        const index = indexIn(Buffer.from(receipt, "hex"), hash) as number;
        expect(toHex(entries[index] as Uint8Array)).toBe(toHex(hash));
      }
    }
    anchor = await startAnchor(config);
    for (const [location, { receipt }] of acknowledged) {
      const { status, body } = await overLoopback("GET", location);
      expect([status, toHex(body)]).toEqual([200, receipt]);
    }
    // A clean stop answers whoever waits, one way or the other.
    const posting = Promise.all(Array.from({ length: 8 }, () => postOn(overLoopback, open)));
    const before = acknowledged.size;
    while (acknowledged.size < before + 30) await Promise.race([delay(1), posting]);
    expect(await anchor.end("SIGTERM")).toBe(0);
    await posting;
    const { entries } = checkLog(log.publicFolder, log.policy);
    const held = new Set(entries.map((entry) => toHex(entry)));
    for (const { hash } of acknowledged.values()) expect(held.has(toHex(hash))).toBe(true);
  },
);
