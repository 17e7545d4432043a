/** A full outbox: sources stop or the oldest goes, and either way a signed gap says so. What has receipts is kept, and pruned. */
import { describe, expect, test } from "vitest";
import { toHex, type Event, type Statement } from "@tallystick/evidence";
import { observation, Rig, STREAM, reading, COUNTER } from "../../support/agent-rig.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

/** A bound that is soon reached; a configuration has to give a mebibyte at least. */
const MAX_BYTES = 200_000;

function bounded(yaml: string, whenFull: "stop" | "drop-oldest"): Rig {
  const rig = new Rig(yaml);
  rig.settings = { ...rig.settings, outbox: { ...rig.settings.outbox, maxBytes: MAX_BYTES, whenFull } };
  return rig;
}

/** Statements of about two kilobytes, many of them soon: one a sample. */
const FAST = `streams: [{ name: ${STREAM}, source: { kind: host }, every: 0, seal: { maxItems: 150 } }]`;

const bulky = (n: number): ReturnType<typeof observation> => {
  const readings = Array.from({ length: 150 }, (_, i) => ({ ...reading(n), name: `1-0:${i}.8.0` }));
  return { readings, registers: readings.map(({ name }) => ({ ...COUNTER, name })), receivedUnixMs: 0 };
};

const gaps = (statements: readonly Statement[]): readonly Extract<Event, { kind: "gap" }>[] =>
  statements.flatMap(({ event }) => (event?.kind === "gap" ? [event] : []));

/** Feeds samples, a second apart, until the outbox is full or `most` were taken. */
async function feed(rig: Rig, most: number): Promise<void> {
  for (let n = 1; n <= most; n++) {
    rig.source.push(bulky(n));
    await rig.time.advance(1000);
    if (n % 10 === 0 && rig.report().outbox.waiting.bytes >= MAX_BYTES) return;
  }
}

describe("when it is full, stop", () => {
  test("the source is left unread, over a restart too, and a gap with its range follows when there is room", async () => {
    const rig = bounded(FAST, "stop");
    await rig.start();
    await feed(rig, 3000);
    const stopped = rig.report();
    expect(stopped.outbox.waiting.bytes).toBeGreaterThanOrEqual(MAX_BYTES);
    expect(stopped.streams.find(({ sub }) => sub === STREAM)?.unreadSince).not.toBeNull();
    const pulls = rig.source.pulls;
    for (let n = 0; n < 50; n++) rig.source.push(bulky(n));
    await rig.time.advance(600_000);
    expect(rig.source.pulls, "nobody pulls").toBe(pulls);
    expect(rig.report().outbox.waiting.bytes).toBeLessThan(MAX_BYTES * 1.2);

    rig.crash();
    await rig.start();
    await rig.time.advance(600_000);
    expect(rig.source.pulls).toBe(pulls);
    rig.connectAnchor();
    await rig.stop();
    await rig.start();
    await rig.time.advance(120_000);
    expect(rig.source.pulls).toBeGreaterThan(pulls);
    const [gap, ...others] = gaps(rig.sealed(STREAM));
    expect(others).toEqual([]);
    expect(gap?.reason).toBe("outbox-full");
    const { from, to } = gap?.time ?? {};
    const seconds = Number((to?.mantissa ?? 0n) - (from?.mantissa ?? 0n)) / 1000;
    expect(seconds).toBeGreaterThan(1200);
    expect(gap?.count).toBe((Math.round(seconds) - 1) * 150); // a sample of so many a second; those at both ends are there
    expect(rig.report().streams.find(({ sub }) => sub === STREAM)?.unreadSince).toBeNull();
    const bySeq = rig.sealed(STREAM).map(({ claims }) => claims.seq);
    expect(bySeq).toEqual(bySeq.map((_, i) => i));
  });

  test("what was taken before it stopped is durable", async () => {
    const rig = bounded(FAST.replace("maxItems: 150", "maxItems: 1000, maxWaitMs: 500"), "stop");
    await rig.start();
    await feed(rig, 3000);
    await rig.stop();
    const { streams } = rig.report();
    const seen = rig.sealed(STREAM).reduce((sum, { records }) => sum + records, 0);
    const journalled = streams.find(({ sub }) => sub === STREAM)?.journalled ?? 0;
    expect((seen + journalled) / 150).toBe(rig.source.given);
  });
});

describe("when it is full, drop the oldest", () => {
  test("memory and disk stay bounded, the first statement of each chain stays, and gaps name what is missing", async () => {
    const rig = bounded(FAST, "drop-oldest");
    await rig.start();
    for (let n = 1; n <= 250; n++) {
      rig.source.push(bulky(n));
      await rig.time.advance(1000);
    }
    const { outbox } = rig.report();
    expect(outbox.waiting.bytes).toBeLessThanOrEqual(MAX_BYTES);
    const dropped = outbox.dropped.find(({ sub }) => sub === STREAM);
    if (dropped === undefined) throw new Error("nothing was dropped");
    expect(dropped.first).toBe(1);
    expect(dropped.count).toBe(dropped.last);
    expect(rig.sealed(STREAM)[0]?.claims.seq).toBe(0);
    expect(rig.sealed(STREAM)[1]?.claims.seq).toBe(dropped.last + 1);
    expect(gaps(rig.sealed())).toEqual([]); // a gap now would only drop more

    rig.connectAnchor();
    await rig.stop();
    await rig.start();
    await rig.time.advance(180_000);
    const [gap] = gaps(rig.sealed(STREAM));
    const last = gap?.seq?.last ?? 0;
    expect(gap).toMatchObject({ reason: "outbox-full", count: last, seq: { first: 1 } });
    expect(last).toBeGreaterThanOrEqual(dropped.last);
    expect(rig.report().outbox.dropped).toEqual([]);
    const arrived = new Set(
      rig.anchor.arrived.filter(({ claims }) => claims.sub === STREAM).map(({ claims }) => claims.seq),
    );
    const told = new Set(Array.from({ length: last }, (_, i) => i + 1));
    const all = Array.from({ length: Math.max(...arrived) + 1 }, (_, seq) => seq);
    expect(
      all.filter((seq) => !arrived.has(seq) && !told.has(seq)),
      "each hole was told of",
    ).toEqual([]);
  });

  test("statements that were let go are no longer sent, and a late receipt for them is none of ours", async () => {
    const rig = bounded(FAST, "drop-oldest");
    rig.connectAnchor();
    rig.anchor.judge = () => "silence";
    await rig.start();
    for (let n = 1; n <= 250; n++) {
      rig.source.push(bulky(n));
      await rig.time.advance(1000);
    }
    const [first] = rig.anchor.arrived.filter(({ claims }) => claims.sub === STREAM && claims.seq === 1);
    const held = new Set(rig.sealed().map(({ hash }) => toHex(hash)));
    expect(held.has(toHex(first?.hash ?? new Uint8Array()))).toBe(false);
    const before = rig.anchor.arrived.length;
    await rig.time.advance(301_000);
    for (const { hash } of rig.anchor.arrived.slice(before)) {
      expect(held.has(toHex(hash)) || rig.sealed().some((one) => toHex(one.hash) === toHex(hash))).toBe(true);
    }
  });
});

describe("what has a receipt", () => {
  test("is kept for its days by the log's time, and pruned then, once the clock has stood for an hour", async () => {
    const rig = new Rig("outbox: { keepReceipted: { days: 7 } }");
    rig.connectAnchor();
    rig.anchor.timeUnixS = Math.floor(rig.system.wallUnixMs() / 1000);
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(61_000);
    expect(rig.report().outbox.receipted.count).toBe(5);
    await rig.stop();
    rig.time.nowMs += 6.9 * 86_400_000;
    await rig.start();
    await rig.time.advance(1000);
    expect(rig.report().outbox.receipted.count).toBeGreaterThanOrEqual(5);
    await rig.stop();
    rig.time.nowMs += 0.2 * 86_400_000;
    rig.anchor.judge = () => "silence";
    await rig.start();
    await rig.time.advance(HOUR - 1000);
    expect(rig.sealed(STREAM)).toHaveLength(2);
    await rig.time.advance(1000);
    const left = rig.sealed();
    expect(left.some(({ claims }) => claims.sub === STREAM)).toBe(false);
    expect(left.every(({ event }) => event?.kind === "boot" || event?.kind === "heads")).toBe(true);
  });

  test("is not pruned by the log's clock alone", async () => {
    const rig = new Rig();
    rig.connectAnchor();
    rig.anchor.timeUnixS = 1000; // by any clock long ago
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(3 * HOUR);
    expect(rig.sealed(STREAM)).toHaveLength(2);
  });

  test("is not pruned by a clock that has just been set", async () => {
    const rig = new Rig();
    rig.connectAnchor();
    rig.anchor.timeUnixS = Math.floor(rig.system.wallUnixMs() / 1000);
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(HOUR - MINUTE / 2);
    rig.system.set(rig.system.wallUnixMs() + 30 * 24 * HOUR); // a wrong server
    await rig.time.advance(MINUTE);
    expect(rig.sealed(STREAM)).toHaveLength(2);
    rig.system.set(rig.system.wallUnixMs() - 30 * 24 * HOUR);
    await rig.time.advance(3 * HOUR);
    expect(rig.sealed(STREAM)).toHaveLength(2);
  });

  test("is not pruned by a clock that nobody knows", async () => {
    const rig = new Rig();
    rig.connectAnchor();
    rig.anchor.timeUnixS = 1000; // by any clock long ago
    rig.system.isSynchronised = false;
    await rig.start();
    await rig.time.advance(2 * 3_600_000);
    expect(rig.report().outbox.receipted.count).toBeGreaterThan(3);
  });

  test("takes no more room than it may", async () => {
    const rig = new Rig(`outbox: { keepReceipted: { maxBytes: 20000 } }\n${FAST}`);
    rig.connectAnchor();
    await rig.start();
    for (let n = 1; n <= 200; n++) {
      rig.source.push(bulky(n));
      await rig.time.advance(1000);
    }
    await rig.time.advance(3_700_000);
    const { receipted, waiting } = rig.report().outbox;
    expect(receipted.bytes).toBeLessThan(22_000);
    const onDisk = rig.storage
      .query<{ bytes: number }>(
        "SELECT (SELECT sum(length(bytes)) FROM receipt) + (SELECT sum(length(bytes)) FROM statement) AS bytes",
      )
      .get()?.bytes;
    expect(onDisk, "receipts too").toBeLessThan(23_000);
    expect(waiting.count).toBe(0);
    const receipts = rig.storage.query<{ n: number }>("SELECT count(*) AS n FROM receipt").get()?.n ?? 0;
    expect(receipts).toBeLessThanOrEqual(receipted.count + 1);
  });
});
