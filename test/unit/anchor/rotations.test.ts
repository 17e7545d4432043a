/**
 * A device changes its key at a running anchor: its word is committed, the registry item follows, made by the anchor or by an operator, once, over restarts too.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pino } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import {
  concatBytes,
  decodeDown,
  downTopic,
  encodeItem,
  parseStatement,
  sealStatement,
  toHex,
  upTopic,
  type DownMessage,
  type Statement,
} from "@tallystick/evidence";
import { createKeyFile, nodeSha256 } from "@tallystick/evidence/node";
import { openAnchor } from "../../../anchor/src/anchor.ts";
import { rotate } from "../../../anchor/src/commands/rotate.ts";
import { placesOf, type Config } from "../../../anchor/src/config.ts";
import {
  AnchorLog,
  deviceSigner,
  eventOf,
  openingOf,
  type AnchorChain,
  type AnchorDevice,
} from "../../support/anchor-log.ts";
import { PlainBroker } from "../../support/plain-broker.ts";
import { checkLog } from "../../support/testlog.ts";

const ISS = "city/gw-1";
const SOON = { timeout: 20_000, interval: 20 };
const next = deviceSigner("next key");

let log: AnchorLog;
let broker: PlainBroker;
let config: Config;
let device: AnchorDevice;
let meter: AnchorChain;
let sys: AnchorChain;
let rotated: Statement;
const running: (() => Promise<void>)[] = [];

/** Meter statements 0 to 4, of which the log has 0 to 2; `sys` 0, and the word for the next key, which names the heads. */
beforeEach(async () => {
  log = await AnchorLog.create();
  device = await log.enrol(ISS);
  [meter, sys] = [device.chain(), device.chain("sys")];
  const early = await meter.filled(3);
  await log.publish(log.sequence([], [...early, await sys.open()]));
  await meter.next(2);
  const heads = [meter, sys].map((chain) => ({ sub: chain.sub, ...chain.head() }));
  rotated = await sys.seal(eventOf({ kind: "key-rotated", key: next.key, heads }));
  sys.statements.push(rotated);
  log.close();
  broker = await PlainBroker.start();
  config = {
    ...log.config,
    broker: { ...log.config.broker, url: broker.url, settleMs: 50 },
    http: { listen: "127.0.0.1:0" },
    batch: { maxItems: 4096, maxWaitMs: 20 },
  };
});
afterEach(async () => {
  for (const stop of running.splice(0)) await stop().catch(() => undefined);
  await broker.stop();
  log.remove();
});

async function start(more: Partial<Config> = {}): Promise<() => Promise<void>> {
  const anchor = await openAnchor({ ...config, ...more }, pino({ level: "silent" }));
  const ending = new AbortController();
  const ended = anchor.run(ending.signal);
  ended.catch(() => undefined);
  const stop = (): Promise<void> => {
    ending.abort();
    return ended;
  };
  running.push(stop);
  return stop;
}

/** Sends as the device; what comes back is kept. */
async function gateway(): Promise<{
  send: (...all: readonly Statement[]) => Promise<void>;
  got: DownMessage[];
}> {
  const client = await broker.client(ISS);
  const got: DownMessage[] = [];
  client.on("message", (_, payload) => got.push(...decodeDown(new Uint8Array(payload))));
  await client.subscribeAsync(downTopic(ISS), { qos: 1 });
  return {
    got,
    send: async (...all) => {
      const payload = Buffer.from(concatBytes(...all.map(({ bytes }) => bytes)));
      await client.publishAsync(upTopic(ISS), payload, { qos: 1 });
    },
  };
}

const check = () => checkLog(log.publicFolder, log.policy);
const currentKid = (): string => toHex(check().keys.current(ISS)?.kid ?? new Uint8Array());
const rotatedTo = async (kid: Uint8Array): Promise<void> => {
  await vi.waitFor(() => expect(currentKid()).toBe(toHex(kid)), SOON);
};
const files = (...at: readonly string[]): string[] => {
  const folder = join(log.config.data, ...at);
  return existsSync(folder) ? readdirSync(folder).toSorted() : [];
};
const REQUEST = (): string => `rotate-${toHex(device.signer.key.kid).slice(0, 16)}.cose`;

describe("where the anchor has the operator's key", () => {
  test("the item follows by itself; old statements count up to the heads, new ones by the new key", async () => {
    await start();
    const { send, got } = await gateway();
    const beforeUnixS = Math.floor(Date.now() / 1000);
    await send(rotated);
    await rotatedTo(next.key.kid);
    await vi.waitFor(() => expect(files("inbox", "done")).toHaveLength(1), SOON);
    const [name = ""] = files("inbox", "done");
    const { claims } = parseStatement(
      new Uint8Array(readFileSync(join(log.config.data, "inbox", "done", name))),
      nodeSha256,
    );
    expect(claims.iat).toBeGreaterThanOrEqual(beforeUnixS);
    expect(claims.iat).toBeLessThanOrEqual(Date.now() / 1000);
    // Late, but named by the rotation; then one beyond the head, by the old key and by the new one.
    await send(...meter.statements.slice(3));
    const beyond = meter.pack(9);
    const prev = meter.statements.at(-1)?.hash ?? new Uint8Array();
    const old = await meter.seal(beyond, { seq: 5, prev });
    const young = await meter.seal(beyond, { seq: 5, prev }, next);
    await send(old, young);
    await vi.waitFor(() => {
      const hashes = got.flatMap((one) => (one.kind === "receipt" ? one.hashes.map(toHex) : []));
      expect(hashes).toEqual(
        expect.arrayContaining([...meter.statements.slice(3), young].map(({ hash }) => toHex(hash))),
      );
      const refusals = got.filter((one) => one.kind === "rejected");
      expect(refusals).toMatchObject([{ code: "key-superseded", hash: old.hash }]);
    }, SOON);
    expect(files("requests")).toEqual([]);
    expect(files("inbox", "refused")).toEqual([]);
  });

  test("a word that was committed before the process ended is heeded at the next start, once", async () => {
    log.opened = await log.openAgain();
    log.sequence([], [rotated]); // committed, neither published nor answered
    log.close();
    const stop = await start();
    await rotatedTo(next.key.kid);
    await stop();
    const { size } = check();
    await (
      await start()
    )();
    await start();
    const { send } = await gateway();
    const young = await device.chain("meter/m-2").seal(openingOf("none"), { seq: 0 }, next);
    await send(rotated, young); // and the device says it again
    await vi.waitFor(() => expect(check().size).toBe(size + 1), SOON);
    expect(files("inbox", "refused")).toEqual([]);
  });

  test("an item that was made and not taken yet is not made twice", async () => {
    log.opened = await log.openAgain();
    log.sequence([], [rotated]);
    const item = await log.item({ kind: "rotate", statement: rotated.bytes });
    log.close();
    mkdirSync(join(log.config.data, "inbox"), { recursive: true });
    writeFileSync(join(log.config.data, "inbox", "000000002.cose"), item.bytes);
    await start();
    await rotatedTo(next.key.kid);
    expect(check().keys.last).toEqual(item.hash);
    await vi.waitFor(() => expect(files("inbox", "done")).toEqual(["000000002.cose"]), SOON);
    expect(files("inbox", "refused")).toEqual([]);
  });

  test("of two words the first counts", async () => {
    await start();
    const { send } = await gateway();
    const other = await sys.seal(eventOf({ kind: "key-rotated", key: deviceSigner("thief").key, heads: [] }));
    await send(rotated, other);
    await rotatedTo(next.key.kid);
    expect(files("inbox", "refused")).toEqual([]);
    expect(files("requests")).toEqual([]);
  });

  test("an operator of another org leaves it to the right one", async () => {
    log.opened = await log.openAgain();
    const file = join(log.folder, "roads.pem");
    const operator = { iss: "roads/operator", actsFor: "roads", key: createKeyFile(file) };
    await log.publish(log.sequence([await log.item({ kind: "operator-added", operator })], []));
    log.close();
    await start({ keys: { ...config.keys, operator: file } });
    await (await gateway()).send(rotated);
    await vi.waitFor(() => expect(files("requests")).toEqual([REQUEST()]), SOON);
    expect(currentKid()).toBe(toHex(device.signer.key.kid));
  });
});

describe("where an operator is asked", () => {
  test("the word lies ready, tally-anchor rotate makes the item, and then the word is gone", async () => {
    await start({ registry: { rotate: "ask" } });
    await (await gateway()).send(rotated);
    await vi.waitFor(() => expect(files("requests")).toEqual([REQUEST()]), SOON);
    expect(new Uint8Array(readFileSync(join(log.config.data, "requests", REQUEST())))).toEqual(rotated.bytes);
    expect(files("inbox")).not.toContain("000000002.cose");
    const told = vi.spyOn(process.stdout, "write").mockReturnValue(true);
    await rotate.run({ values: { data: log.config.data, wait: true }, positionals: [] });
    expect(told.mock.calls.join("")).toContain(`rotates the key of ${ISS}`);
    told.mockRestore();
    await rotatedTo(next.key.kid);
    await vi.waitFor(() => expect(files("requests")).toEqual([]), SOON);
  });

  test("without the operator's key that is how it is; what was answered while the anchor was away is cleared up", async () => {
    const { operatorKey } = placesOf(config);
    renameSync(operatorKey, `${operatorKey}.away`);
    const stop = await start();
    await (await gateway()).send(rotated);
    await vi.waitFor(() => expect(files("requests")).toEqual([REQUEST()]), SOON);
    await stop();
    const item = await sealItemAway();
    log.opened = await log.openAgain();
    expect(log.sequence([item], []).refused).toEqual([]);
    log.close();
    await start();
    await vi.waitFor(() => expect(files("requests")).toEqual([]), SOON);
  });

  test("a key that must be there and isn't is told at the start", async () => {
    const { operatorKey } = placesOf(config);
    renameSync(operatorKey, `${operatorKey}.away`);
    const stop = await start({ registry: { rotate: "auto" } });
    await expect(stop()).rejects.toMatchObject({ code: "key-file-unreadable" });
    running.splice(0);
  });
});

/** The item, made on another machine. */
const sealItemAway = (): Promise<Statement> =>
  sealStatement(
    {
      iss: "city/operator",
      sub: "registry",
      iat: log.clock.now,
      seq: 2,
      prev: check().keys.last,
      tq: 2,
      lvl: 1,
    },
    { type: "registry", payload: encodeItem({ kind: "rotate", statement: rotated.bytes }) },
    log.operator,
    nodeSha256,
  );
