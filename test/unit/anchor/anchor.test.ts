import { once } from "node:events";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import {
  CHECKPOINT_TOPIC,
  concatBytes,
  decodeDown,
  downTopic,
  formatCheckpoint,
  parseReceipt,
  signNote,
  toHex,
  upTopic,
  verifyReceipt,
  type DownMessage,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import type { MqttClient } from "mqtt";
import { openAnchor, type Anchor } from "../../../anchor/src/anchor.ts";
import { placesOf, type Config } from "../../../anchor/src/config.ts";
import { AnchorDevice, AnchorLog, deviceSigner, ORIGIN, type AnchorChain } from "../../support/anchor-log.ts";
import { metricAt } from "../../support/loopback.ts";
import { PlainBroker } from "../../support/plain-broker.ts";
import { checkLog } from "../../support/testlog.ts";

const ISS = "city/gw-1";
/** Long enough for a busy machine; what is awaited usually takes a fraction of it. */
const SOON = { timeout: 20_000 };
let log: AnchorLog;
let broker: PlainBroker;
let config: Config;
let device: AnchorDevice;
let chain: AnchorChain;

beforeEach(async () => {
  log = await AnchorLog.create();
  device = await log.enrol(ISS);
  chain = device.chain();
  log.close();
  broker = await PlainBroker.start();
  config = {
    ...log.config,
    broker: { ...log.config.broker, url: broker.url, settleMs: 200 },
    http: { listen: "127.0.0.1:0" },
    batch: { maxItems: 4096, maxWaitMs: 20 },
  };
});
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop().catch(() => undefined);
  await broker.stop();
  log.remove();
});

type Running = { readonly anchor: Anchor; readonly ended: Promise<void>; readonly stop: () => Promise<void> };
const running: Running[] = [];

async function start(more: Partial<Config> = {}): Promise<Running> {
  const anchor = await openAnchor({ ...config, ...more }, pino({ level: "silent" }));
  const stop = new AbortController();
  const ended = anchor.run(stop.signal);
  ended.catch(() => undefined); // asked for by whoever cares
  const one = {
    anchor,
    ended,
    stop: () => {
      stop.abort();
      return ended;
    },
  };
  running.push(one);
  return one;
}

const check = () => checkLog(log.publicFolder, log.policy);

/** A gateway: sends, and keeps what comes back until somebody asks. */
class Gateway {
  readonly #client: MqttClient;
  readonly #got: DownMessage[] = [];
  #wake = Promise.withResolvers<void>();

  private constructor(client: MqttClient) {
    this.#client = client;
    client.on("message", (_topic, payload) => {
      this.#got.push(...decodeDown(new Uint8Array(payload)));
      this.#wake.resolve();
      this.#wake = Promise.withResolvers();
    });
  }

  static async connect(): Promise<Gateway> {
    const client = await broker.client(ISS);
    await client.subscribeAsync(downTopic(ISS), { qos: 1 });
    return new Gateway(client);
  }

  async send(...items: readonly (Statement | Uint8Array)[]): Promise<void> {
    const payload = concatBytes(...items.map((item) => (item instanceof Uint8Array ? item : item.bytes)));
    await this.#client.publishAsync(upTopic(ISS), Buffer.from(payload), { qos: 1 });
  }

  /** Waits until all of these have a receipt that verifies; gives their indexes. */
  async receipted(statements: readonly Statement[]): Promise<number[]> {
    const indexes = new Map<string, number>();
    for (;;) {
      for (const message of this.#got.splice(0)) {
        if (message.kind !== "receipt") throw new Error(`${message.kind}: ${JSON.stringify(message)}`);
        const receipt = parseReceipt(message.receipt);
        const { key } = log.opened.log.signer;
        const verified = verifyReceipt(receipt, message.hashes, key, createNodeProvider(), nodeSha256);
        for (const [i, hash] of message.hashes.entries())
          indexes.set(toHex(hash), verified.indexes[i] as number);
      }
      const found = statements.map(({ hash }) => indexes.get(toHex(hash)));
      if (found.every((index) => index !== undefined)) return found;
      await this.#wake.promise;
    }
  }

  async next(): Promise<DownMessage> {
    while (this.#got.length === 0) await this.#wake.promise;
    return this.#got.shift() as DownMessage;
  }
}

describe("a running anchor", () => {
  test("takes statements in, publishes them, answers each with a receipt, and serves them", async () => {
    const { anchor, stop } = await start();
    const gateway = await Gateway.connect();
    const all = await chain.filled(20);
    await gateway.send(...all);
    expect(await gateway.receipted(all)).toEqual(Array.from({ length: 20 }, (_, i) => i + 2));
    expect(check().size).toBe(22);
    expect(anchor.size()).toBe(22);
    const health = (await (await fetch(`${anchor.url}/healthz`)).json()) as object;
    expect(health).toMatchObject({
      status: "ok",
      origin: ORIGIN,
      size: 22,
      broker: "connected",
      archive: "ok",
    });
    const listed = await fetch(`${anchor.url}/statements/${toHex((all[7] as Statement).hash)}`);
    expect(listed.status).toBe(200);
    await stop();
    await expect(fetch(`${anchor.url}/healthz`)).rejects.toThrow();
    check();
  });

  test("answers with a refusal, and again with the same receipt", async () => {
    await start();
    const gateway = await Gateway.connect();
    await gateway.send(Uint8Array.of(0xff));
    expect(await gateway.next()).toMatchObject({ kind: "rejected", code: "cbor-malformed" });
    const all = await chain.filled(3);
    await gateway.send(...all);
    const first = await gateway.receipted(all);
    await gateway.send(...all);
    expect(await gateway.receipted(all)).toEqual(first);
    expect(check().size).toBe(5);
  });

  test("keeps the newest note at the broker", async () => {
    await start();
    const gateway = await Gateway.connect();
    const all = await chain.filled(2);
    await gateway.send(...all);
    await gateway.receipted(all);
    const reader = await broker.client("reader");
    const note = new Promise<string>((resolve) => {
      reader.on("message", (_topic, payload) => {
        if (payload.toString().includes("\n4\n")) resolve(payload.toString());
      });
    });
    await reader.subscribeAsync(CHECKPOINT_TOPIC, { qos: 1 });
    expect(await note).toBe(readFileSync(join(log.publicFolder, "checkpoint"), "utf8"));
  });

  test("goes on after a restart where it was, and after a stop in the middle nothing with a receipt is missing", async () => {
    const one = await start();
    const gateway = await Gateway.connect();
    const all = await chain.filled(200);
    await gateway.send(...all.slice(0, 100));
    await one.stop(); // what was taken in is committed, published and answered
    const answered = check().size - 2;
    expect(answered === 0 || answered === 100).toBe(true);
    if (answered > 0) await gateway.receipted(all.slice(0, 100));
    await start();
    await gateway.send(...all.slice(0, 100));
    await gateway.send(...all.slice(100));
    const indexes = await gateway.receipted(all);
    expect(indexes).toEqual(all.map((_, i) => i + 2));
    expect(check().size).toBe(202);
  });

  test("loses its broker and finds it again", async () => {
    const { anchor } = await start();
    const { port } = broker;
    await broker.stop();
    await expect
      .poll(async () => (await (await fetch(`${anchor.url}/healthz`)).json()) as object, SOON)
      .toMatchObject({ status: "degraded", broker: "lost" });
    broker = await PlainBroker.start(port);
    const gateway = await Gateway.connect();
    const all = await chain.filled(3);
    await expect
      .poll(async () => (await (await fetch(`${anchor.url}/healthz`)).json()) as object, SOON)
      .toMatchObject({ status: "ok" });
    await expect
      .poll(async () => {
        await gateway.send(...all);
        return check().size;
      }, SOON)
      .toBe(5);
    await gateway.receipted(all);
  });

  test("serves without a broker, and sequences nothing before it has seen one", async () => {
    await broker.stop();
    const inbox = placesOf(config).inbox;
    const { anchor, stop } = await start();
    const item = await log.item({
      kind: "enrol",
      device: "city/gw-2",
      key: deviceSigner("gw-2").key,
      streams: ["*"],
      silenceS: 9,
    });
    writeFileSync(join(inbox, "000000002.cose"), item.bytes);
    expect((await fetch(`${anchor.url}/checkpoint`)).status).toBe(200);
    await stop();
    expect(existsSync(join(inbox, "000000002.cose"))).toBe(true);
    expect(check().size).toBe(2);
    broker = await PlainBroker.start(broker.port);
  });
});

describe("the operators' inbox", () => {
  const names = (folder: string): string[] =>
    readdirSync(join(placesOf(config).inbox, folder)).filter((name) => name.includes("."));

  test("is emptied into the log: done, or refused with a code", async () => {
    const { stop } = await start();
    const inbox = placesOf(config).inbox;
    const signer = deviceSigner("city/gw-2");
    const good = await log.item({
      kind: "enrol",
      device: "city/gw-2",
      key: signer.key,
      streams: ["*"],
      silenceS: 9,
    });
    const bad = await log.item(
      { kind: "enrol", device: "city/gw-3", key: signer.key, streams: ["*"], silenceS: 9 },
      { claims: { seq: 9 } },
    );
    writeFileSync(join(inbox, "a.cose"), good.bytes);
    writeFileSync(join(inbox, "b.cose"), bad.bytes);
    writeFileSync(join(inbox, "c.cose"), "nothing of the kind");
    writeFileSync(join(inbox, ".d.cose"), "not finished");
    await expect.poll(() => [names("done").length, names("refused").length], SOON).toEqual([1, 4]);
    expect(names("done")).toEqual(["a.cose"]);
    const codes = names("refused").filter((name) => name.endsWith(".code"));
    const words = codes.map((name) => readFileSync(join(inbox, "refused", name), "utf8").split("\n")[0]);
    expect(words.toSorted((a = "", b = "") => a.localeCompare(b))).toEqual([
      "cbor-trailing",
      "registry-order",
    ]);
    expect(check().keys.get(signer.key.kid)?.iss).toBe("city/gw-2");
    // Enrolled while running: it may write at once.
    const gateway = await broker.client("city/gw-2");
    const fresh = await new AnchorDevice("city/gw-2", signer, log.clock).chain().open();
    await gateway.publishAsync(upTopic("city/gw-2"), Buffer.from(fresh.bytes), { qos: 1 });
    await expect.poll(() => check().size, SOON).toBe(4);
    await stop();
  });

  test("after a crash before the file was moved, an item that is in the log is only moved", async () => {
    const inbox = placesOf(config).inbox;
    log.opened = await log.openAgain();
    const item = await log.item({ kind: "revoke", kid: device.signer.key.kid, from: 0 });
    log.sequence([item], []);
    log.close();
    const { stop } = await start();
    writeFileSync(join(inbox, "again.cose"), item.bytes);
    await expect.poll(() => names("done"), SOON).toEqual(["again.cose"]);
    expect(check().size).toBe(3);
    await stop();
  });
});

test("an inbox that can't be emptied ends the anchor with storage-failed", async () => {
  const { ended } = await start();
  const inbox = placesOf(config).inbox;
  rmSync(join(inbox, "done"), { recursive: true });
  writeFileSync(join(inbox, "done"), "in the way");
  const item = await log.item({ kind: "revoke", kid: device.signer.key.kid, from: 0 });
  writeFileSync(join(inbox, "a.cose"), item.bytes);
  await expect(ended).rejects.toThrow(expect.objectContaining({ code: "storage-failed" }));
  expect(check().size).toBe(3);
});

describe("an anchor stops, and signs nothing, when its own key's signature shows that it is behind", () => {
  const ahead = (size: number): Promise<string> =>
    signNote(
      formatCheckpoint({ origin: ORIGIN, size, root: new Uint8Array(32) }),
      ORIGIN,
      log.opened.log.signer,
    );
  const retain = async (note: string): Promise<void> => {
    const other = await broker.client("other");
    await other.publishAsync(CHECKPOINT_TOPIC, note, { qos: 1, retain: true });
  };

  test("a larger checkpoint that the broker retains: checkpoint-ahead", async () => {
    await retain(await ahead(99));
    const { ended } = await start();
    const gateway = await Gateway.connect();
    await gateway.send(...(await chain.filled(3)));
    await expect(ended).rejects.toThrow(expect.objectContaining({ code: "checkpoint-ahead" }));
    expect(check().size).toBe(2);
  });

  test("another checkpoint of its own size: log-equivocation", async () => {
    await retain(await ahead(2));
    const { ended } = await start();
    await expect(ended).rejects.toThrow(expect.objectContaining({ code: "log-equivocation" }));
    expect(check().size).toBe(2);
  });

  test("one that turns up later", async () => {
    const { ended } = await start();
    const gateway = await Gateway.connect();
    const all = await chain.filled(2);
    await gateway.send(...all);
    await gateway.receipted(all);
    await retain(await ahead(1000));
    await expect(ended).rejects.toThrow(expect.objectContaining({ code: "checkpoint-ahead" }));
  });

  test("a stranger's note is no reason", async () => {
    await retain(
      await signNote(
        formatCheckpoint({ origin: ORIGIN, size: 99, root: new Uint8Array(32) }),
        ORIGIN,
        deviceSigner("stranger"),
      ),
    );
    const { stop } = await start();
    const gateway = await Gateway.connect();
    const all = await chain.filled(2);
    await gateway.send(...all);
    await gateway.receipted(all);
    await stop();
  });
});

test("a disk that fails ends the anchor with storage-failed; the next start goes on", async () => {
  const { ended } = await start();
  const gateway = await Gateway.connect();
  const all = await chain.filled(2);
  rmSync(join(log.publicFolder, "tile"), { recursive: true });
  writeFileSync(join(log.publicFolder, "tile"), "in the way");
  await gateway.send(...all);
  await expect(ended).rejects.toThrow(expect.objectContaining({ code: "storage-failed" }));
  rmSync(join(log.publicFolder, "tile"));
  rmSync(join(log.publicFolder, "checkpoint"));
  await start();
  expect(check().size).toBe(4);
  await gateway.send(...all);
  await gateway.receipted(all);
});

test("a silent device is shown and told of, and so is its return", async () => {
  log.opened = await log.openAgain();
  const quiet = (await log.enrol("city/gw-9", ["*"], 1)).chain();
  log.close();
  const told: string[] = [];
  const hook = createServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      for (const { code, iss } of (JSON.parse(body) as { alarms: { code: string; iss: string }[] }).alarms)
        told.push(`${code} ${iss}`);
      response.writeHead(204).end();
    });
  }).listen(0, "127.0.0.1");
  await once(hook, "listening");
  onTestFinished(() => void hook.close());
  const secretFile = join(log.folder, "alarms.secret");
  writeFileSync(secretFile, `${"s".repeat(32)}\n`, { mode: 0o600 });
  const webhook = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`;
  const { anchor } = await start({ alarms: { ...config.alarms, webhook, secretFile, graceS: 0 } });
  await vi.waitFor(() => expect(told).toEqual(["device-silent city/gw-9"]), SOON);
  expect(await (await fetch(`${anchor.url}/silent`)).json()).toMatchObject({
    watching: true,
    devices: 2,
    silent: [{ iss: "city/gw-9", sub: null, since: null, allowedS: 1, last: null }],
  });
  expect(await metricAt(`${anchor.url}/metrics`, "tally_anchor_devices_silent")).toBe(1);
  const client = await broker.client("city/gw-9");
  await client.publishAsync(upTopic("city/gw-9"), Buffer.from((await quiet.open()).bytes), { qos: 1 });
  await vi.waitFor(() => expect(told).toContain("device-back city/gw-9"), SOON);
});
