/**
 * The measuring instruments: what they read, count and say has to be right before any figure is.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { makeHome } from "../../../bench/agent-process.ts";
import { fillOutbox } from "../../../bench/fill-outbox.ts";
import type { Grown, GrowOptions } from "../../../bench/growth/grow.ts";
import type { KeysMeasured, KeysOptions } from "../../../bench/growth/keys.ts";
import { bytesRead, idleTime } from "../../../bench/procfs.ts";
import { profileLines, readStages } from "../../../bench/profile-stages.ts";
import { summarise, type Profile } from "../../../bench/profile-summary.ts";
import { ROWS } from "../../../bench/rows.ts";
import { isMet, median, percentile, type Figure } from "../../../bench/figures.ts";
import {
  connectPacket,
  PACKET,
  PacketReader,
  publishHead,
  readPublish,
} from "../../../bench/load/packets.ts";
import { presign } from "../../../bench/load/presign.ts";
import { textReport } from "../../../bench/report.ts";
import { VirtualTime } from "../../../bench/day/virtual-time.ts";
import { Ledger } from "../../../bench/day/ledger.ts";
import { telegramAt } from "../../../bench/meter.ts";
import { P1Framer } from "../../../agent/src/sources/p1/frame.ts";
import { readTelegram } from "../../../agent/src/sources/p1/telegram.ts";
import {
  decodeDown,
  parseReceipt,
  parseStatement,
  splitUp,
  verifyReceipt,
  verifyStatement,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { signerOf } from "../../../bench/load/keys.ts";

const publishOf = (topic: string, id: number, payload: Uint8Array): Buffer =>
  Buffer.concat([publishHead(topic, id, payload.length), payload]);

describe("packets", () => {
  const payloads = [0, 1, 100, 16_300, 65_536].map((length) => Buffer.alloc(length, length & 255));
  const stream = Buffer.concat([
    Buffer.of(PACKET.puback << 4, 2, 1, 2),
    ...payloads.map((payload, i) => publishOf("tally/v1/city/gw-1/down", 300 + i, payload)),
  ]);

  test.for([1, 2, 3, 1000, 65_536, stream.length])(
    "are found whole however they are cut (%d bytes)",
    (size) => {
      const seen: { type: number; body: Buffer }[] = [];
      const reader = new PacketReader((type, body) => seen.push({ type, body: Buffer.from(body) }));
      for (let at = 0; at < stream.length; at += size) reader.take(stream.subarray(at, at + size));
      expect(seen.map(({ type }) => type)).toEqual([PACKET.puback, ...payloads.map(() => PACKET.publish)]);
      const read = seen.slice(1).map(({ body }) => readPublish(body));
      expect(read.map(({ id }) => id)).toEqual([300, 301, 302, 303, 304]);
      expect(
        read.map(({ payload }) =>
          payload.equals(payloads[read.findIndex((one) => one.payload === payload)] ?? stream),
        ),
      ).toEqual(payloads.map(() => true));
    },
  );

  test("CONNECT is MQTT 3.1.1 with a clean session", () => {
    expect(connectPacket("a/b", 60).toString("hex")).toBe("100f00044d5154540402003c0003612f62");
  });
});

test("statements are signed as devices sign them, and laid out in messages", async () => {
  const seen = { size: 5, root: "11".repeat(32), origin: "bench.example/log" };
  const { packets, offsets, firsts, hashes } = await presign({
    device: 3,
    count: 7,
    stream: "meter/x",
    readings: 2,
    perMessage: 3,
    seen,
  });
  expect([...firsts]).toEqual([0, 3, 6, 7]);
  const statements = Array.from({ length: 3 }, (_, i) => {
    const body = Buffer.from(packets.slice(offsets[i], offsets[i + 1]));
    let payload: Uint8Array = new Uint8Array();
    new PacketReader((_type, packet) => {
      ({ payload } = readPublish(packet));
    }).take(body);
    return splitUp(new Uint8Array(payload)).items.map(({ bytes }) => parseStatement(bytes, nodeSha256));
  }).flat();
  expect(statements.map(({ claims }) => claims.seq)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  expect(Buffer.concat(statements.map(({ hash }) => hash)).equals(hashes)).toBe(true);
  for (const statement of statements) verifyStatement(statement, signerOf(3).key, createNodeProvider());
});

describe("figures", () => {
  test("percentiles are the nearest rank", () => {
    const sorted = Float64Array.from({ length: 100 }, (_, i) => i + 1);
    expect([0, 0.5, 0.99, 0.999, 1].map((p) => percentile(sorted, p))).toEqual([1, 50, 99, 100, 100]);
    expect(median([3, 1, 2])).toBe(2);
  });

  test("what has no budget, or no value, is neither met nor missed", () => {
    const figure: Figure = { what: "x", value: 5, unit: "ms" };
    expect(isMet(figure)).toBe(null);
    expect(isMet({ ...figure, budget: { atMost: 5 } })).toBe(true);
    expect(isMet({ ...figure, budget: { atMost: 4.9 } })).toBe(false);
    expect(isMet({ ...figure, budget: { atLeast: 6 } })).toBe(false);
    expect(isMet({ ...figure, value: null, budget: { atLeast: 6 } })).toBe(null);
  });

  test("a row that failed says so in the table", () => {
    const machine = {
      cpu: "c",
      cores: 2,
      memoryGiB: 1,
      system: "s",
      node: "v24",
      date: "d",
      load: [0],
      fileSystem: "ext4",
      command: "x",
    };
    const figures: Figure[] = [
      { what: "rate", value: 11_000, unit: "/s", budget: { atLeast: 12_000 }, notes: ["why"] },
    ];
    const text = textReport({
      machine,
      quick: false,
      loadAfter: [1],
      profiles: [],
      results: [
        { row: "a", figures },
        { row: "b", figures: [], error: "broken" },
      ],
    });
    expect(text).toMatch(/^a +rate +11,000 \/s +>= 12,000 \/s +NO\n +why$/m);
    expect(text).toMatch(/^b: not measured: broken$/m);
  });
});

test("virtual time fires timers in their order, and jumps", async () => {
  const time = new VirtualTime();
  const seen: [string, number][] = [];
  const note = (name: string) => (): void => void seen.push([name, time.monotonicMs()]);
  time.after(50, note("b"));
  time.after(10, note("a"));
  time.after(50, note("c"));
  time.after(20, note("never"))();
  time.after(40, () => void time.after(5, note("nested")));
  time.after(1000, note("later"));
  await time.passUntil(100);
  expect(seen).toEqual([
    ["a", 10],
    ["nested", 45],
    ["b", 50],
    ["c", 50],
  ]);
  expect(time.monotonicMs()).toBe(100);
});

test("the day's log gives receipts of a log of a million entries that verify", async () => {
  const ledger = new Ledger();
  const { packets } = await presign({
    device: 1,
    count: 3,
    stream: "meter/y",
    readings: 1,
    perMessage: 3,
    seen: { size: 2, root: "00".repeat(32), origin: "bench.example/log" },
  });
  let payload: Uint8Array = new Uint8Array();
  new PacketReader((_type, packet) => {
    ({ payload } = readPublish(packet));
  }).take(Buffer.from(packets));
  for (const first of [400_000, 400_003]) {
    const [message] = decodeDown(await ledger.answer(new Uint8Array(payload), 1_790_000_000));
    if (message?.kind !== "receipt") throw new Error("no receipt");
    const receipt = parseReceipt(message.receipt);
    const { indexes } = verifyReceipt(
      receipt,
      message.hashes,
      ledger.signer.key,
      createNodeProvider(),
      nodeSha256,
    );
    expect(indexes).toEqual([first, first + 1, first + 2]);
    expect(receipt.proofs.map(({ path }) => path.length)).toEqual([20, 20, 20]);
  }
});

test("the bench's meter is read as any other", () => {
  const [found] = [...new P1Framer().push(telegramAt(1_790_000_000))];
  if (found === undefined || "error" in found) throw new Error("no telegram");
  expect(readTelegram(found.frame).values).toHaveLength(11);
});

const folder = mkdtempSync(join(tmpdir(), "tally-bench-test-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("profiles", () => {
  const frame = (functionName: string, url = "", lineNumber = 0) => ({ functionName, url, lineNumber });
  const ours = new URL("../../../anchor/src/sequence/tree.ts", import.meta.url).href;
  const theirs = new URL("../../../node_modules/mqtt-packet/writeToStream.js", import.meta.url).href;
  /** root > ours > native, ours > node:, ours > theirs > native; and what is no function. */
  const profile: Profile = {
    startTime: 1000,
    endTime: 2000,
    nodes: [
      { id: 1, callFrame: frame("(root)"), children: [2, 7, 8, 9] },
      { id: 2, callFrame: frame("grow", ours, 40), children: [3, 4, 5] },
      { id: 3, callFrame: frame("hash") },
      { id: 4, callFrame: frame("inner", "node:fs") },
      { id: 5, callFrame: frame("", theirs, 9), children: [6] },
      { id: 6, callFrame: frame("writev") },
      { id: 7, callFrame: frame("(idle)") },
      { id: 8, callFrame: frame("(garbage collector)") },
      { id: 9, callFrame: frame("start", "node:internal/main") },
    ],
    // A sample stands for the time up to the next one: 100 us each, from 1000 on.
    samples: [2, 3, 4, 5, 6, 7, 8, 9, 7],
    timeDeltas: [0, 100, 100, 100, 100, 100, 100, 100, 100],
  };

  test("say whose time it was, and what kind of code ran", () => {
    const { busyUs, idleUs, kinds, places, functions } = summarise(profile);
    expect([busyUs, idleUs]).toEqual([700, 100]);
    const told = (shares: typeof kinds): object =>
      Object.fromEntries(shares.map(({ where, us }) => [where, us]));
    expect(told(kinds)).toEqual({
      "our code": 100,
      "native code": 200,
      libraries: 100,
      "Node's own JavaScript": 200,
      "garbage collection": 100,
    });
    expect(told(places)).toEqual({
      "anchor/src/sequence/tree.ts": 300,
      "mqtt-packet": 200,
      "garbage collection": 100,
      "Node itself": 100,
    });
    expect(functions[0]).toEqual({ where: "anchor/src/sequence/tree.ts grow:41", us: 300 });
    expect(summarise(profile, { fromUs: 1100, toUs: 1299 }).busyUs).toBe(200);
  });

  test("are found by process and thread, for the stage that they cover", () => {
    const root = join(folder, "profiles");
    mkdirSync(join(root, "anchor"), { recursive: true });
    const put = (thread: number): void =>
      writeFileSync(
        join(root, "anchor", `CPU.20261120.120000.77.${thread}.001.cpuprofile`),
        JSON.stringify(profile),
      );
    put(0);
    put(2);
    const stage = { name: "full", fromUs: 1000, toUs: 1999, statements: 10, cpuS: { "anchor main": 0.0005 } };
    const found = readStages(root, [stage, { ...stage, name: "elsewhere", toUs: 9999 }]);
    expect(found.map(({ stage: name, thread, busyUs, cpuUs }) => [name, thread, busyUs, cpuUs])).toEqual([
      ["full", "main thread", 70, 50],
      ["full", "thread 2", 70, null],
    ]);
    const text = profileLines(found).join("\n");
    expect(text).toContain(
      "full: anchor, main thread: 70.0 us a statement on the clock; processor time by the kernel 50.0 (10 statements)",
    );
    expect(text).toContain("30.00 us  anchor/src/sequence/tree.ts grow:41");
  });
});

test("every row has a name of its own", () => {
  expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
});

test.skipIf(!existsSync("/proc/self/io"))("what Linux says is read as it is meant", () => {
  const { allS, idleS } = idleTime();
  expect(idleS).toBeGreaterThan(0);
  expect(allS).toBeGreaterThan(idleS);
  const { calls, disk } = bytesRead(process.pid);
  expect(calls).toBeGreaterThan(0);
  expect(disk).toBeGreaterThanOrEqual(0);
});

test("an outbox is filled by the agent's own sealer", async () => {
  const home = makeHome(join(folder, "agents"), "one");
  const { seconds } = await fillOutbox(home.folder, home.iss, { count: 5, atOnce: 2, readings: 3 });
  expect(seconds).toBeGreaterThan(0);
  const db = new DatabaseSync(join(home.folder, "agent.db"), { readOnly: true });
  const rows = db.prepare("SELECT bytes FROM statement ORDER BY id").all();
  db.close();
  const statements = rows.map(({ bytes }) => parseStatement(bytes as Uint8Array, nodeSha256));
  expect(statements.map(({ claims, records }) => [claims.seq, records])).toEqual([
    [0, 0],
    [1, 3],
    [2, 3],
    [3, 3],
    [4, 3],
  ]);
  for (const statement of statements) verifyStatement(statement, home.key, createNodeProvider());
});

describe("a log that is grown", { timeout: 60_000 }, () => {
  const run = async (script: string, options: object): Promise<string> =>
    (await promisify(execFile)(process.execPath, [join("bench/growth", script), JSON.stringify(options)]))
      .stdout;
  const origin = "bench.example/2026";

  test("is measured at the size that was asked for, and goes on after a kill", async () => {
    const data = join(folder, "grown");
    const options: GrowOptions = { data, origin, size: 5000, devices: 20, crash: false };
    const grown = JSON.parse(await run("grow.ts", options)) as Grown;
    expect([grown.size, grown.pathLength]).toEqual([5000, 13]);
    expect(grown.receiptBytes).toBeGreaterThan(13 * 34);
    expect(grown.inclusionUs.p50).toBeGreaterThan(0);
    const killed = run("grow.ts", { ...options, crash: true });
    await expect(killed).rejects.toMatchObject({ signal: "SIGKILL", stdout: "9096\n" });
    const more = JSON.parse(await run("grow.ts", { ...options, size: 10_000 })) as Grown;
    expect(more.pathLength).toBe(14);
  });

  test("takes as many keys as it is to have", async () => {
    const options: KeysOptions = { data: join(folder, "keys"), origin, keys: 30 };
    const { rootMs, applyMs } = JSON.parse(await run("keys.ts", options)) as KeysMeasured;
    expect(rootMs).toBeGreaterThan(0);
    expect(applyMs).toBeGreaterThan(0);
  });
});
