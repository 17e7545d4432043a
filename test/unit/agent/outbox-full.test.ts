/** The corners of a full outbox: gaps that are let go themselves, `sys`, closed chains, lines too slow for ever, and what the wire may say. */
import { DatabaseSync } from "node:sqlite";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { coverage, encodeDown, toHex, type Gap, type Statement } from "@tallystick/evidence";
import { parseSettings } from "../../../agent/src/config/config.ts";
import { openStorage } from "../../../agent/src/storage/storage.ts";
import { COUNTER, observation, Rig, STREAM } from "../../support/agent-rig.ts";
import { Outage, type OutageOptions } from "../../support/outage.ts";

const METER = { name: "meter/m-1", everyS: 1, names: 6 };
const SLOW = { name: "meter/slow", everyS: 20, names: 2 };
const MAX_BYTES = 24_000;

const outage = (whenFull: OutageOptions["whenFull"], streams = [METER], yaml = ""): Outage =>
  new Outage({ whenFull, maxBytes: MAX_BYTES, streams, yaml });

const gaps = (statements: readonly Statement[], sub: string): readonly Gap[] =>
  statements.flatMap(({ claims, event }) => (claims.sub === sub && event?.kind === "gap" ? [event] : []));

describe("drop-oldest", () => {
  test("a gap that is let go itself is told anew, with what it told", async () => {
    const world = outage("drop-oldest");
    await world.start();
    world.rig.anchor.judge = () => "silence";
    await world.pass(200);
    // Room enough for a gap, and then the line is gone again before it has its receipt.
    world.rig.anchor.judge = ({ event }) => (event?.kind === "gap" ? "silence" : "receipt");
    await world.pass(70);
    const first = gaps(world.rig.sealed(), METER.name);
    expect(first).toHaveLength(1);
    world.rig.anchor.judge = () => "silence";
    await world.pass(250);
    expect(gaps(world.rig.sealed(), METER.name), "it was let go").toEqual([]);
    await world.recover();
    world.check(METER.name);
    const [again] = gaps(world.ledger, METER.name);
    expect(again?.seq?.first).toBe(first[0]?.seq?.first);
    expect(again?.seq?.last).toBeGreaterThan(first[0]?.seq?.last ?? Infinity);
    expect(again?.count).toBeGreaterThan(first[0]?.count ?? Infinity);
  });

  test("what is let go of a chain that has ended is told on sys, by name of the chain", async () => {
    const rig = new Rig(
      `streams: [{ name: ${STREAM}, source: { kind: host }, every: 0, seal: { maxItems: 1 } }]`,
    );
    rig.settings = {
      ...rig.settings,
      outbox: { ...rig.settings.outbox, maxBytes: 20_000, whenFull: "drop-oldest" },
    };
    rig.connectAnchor();
    rig.anchor.judge = () => "silence";
    await rig.start();
    const other = { ...COUNTER, name: "1-0:2.8.0" };
    for (let n = 1; n <= 100; n++) {
      const one = observation(n, rig.system.wallUnixMs());
      rig.source.push(n <= 20 ? one : { ...one, registers: [COUNTER, other] });
      await rig.time.advance(1000);
    }
    rig.anchor.judge = () => "receipt";
    await rig.time.advance(400_000);
    await rig.stop();
    const [told] = gaps(rig.anchor.arrived, "sys").filter(({ chain }) => chain !== undefined);
    const [opened] = rig.anchor.arrived.filter(
      ({ event }) => event?.kind === "stream-opened" && event.source === "fake",
    );
    expect(told?.chain?.sub).toBe(STREAM);
    expect(told?.chain && toHex(told.chain.ch)).toBe(toHex(opened?.claims.ch ?? new Uint8Array()));
    const entered = rig.anchor.arrived.filter(({ hash }) => rig.anchor.isEntered(hash));
    // The last statement of the first chain stayed: the second chain's opening names it, and would be refused for ever without it.
    const opening = entered.findLast(
      ({ event }) => event?.kind === "stream-opened" && event.source === "fake",
    );
    const before = opening?.event?.kind === "stream-opened" ? opening.event.before : undefined;
    const head = typeof before === "object" && "hash" in before ? toHex(before.hash) : "none named";
    expect(entered.map(({ hash }) => toHex(hash))).toContain(head);
    const found = coverage([...new Map(entered.map((one) => [toHex(one.hash), one])).values()]);
    const stream = found.find(({ sub }) => sub === STREAM);
    expect(stream?.chains).toHaveLength(2);
    expect(stream?.chains.flatMap(({ missing }) => missing).every((one) => one.gaps.length > 0)).toBe(true);
    expect(stream?.missing.map(({ kind }) => kind)).toEqual(["told"]);
  });

  test("a line too slow for ever: gaps are told all the same, as often as all heads", async () => {
    const meter = { name: METER.name, everyS: 10, names: 60 };
    const world = outage("drop-oldest", [meter]);
    await world.start();
    world.throttle(2);
    for (let minutes = 0; minutes < 130; minutes++) {
      await world.pass(60);
      expect(world.waitingBytes).toBeLessThanOrEqual(MAX_BYTES);
    }
    const told = gaps(world.rig.sealed(), METER.name);
    expect(told.length).toBeGreaterThan(0);
    expect(told.length).toBeLessThan(4);
    await world.recover();
    expect(world.check(METER.name).missing.length).toBeGreaterThan(1);
  }, 60_000);

  test("refused statements are let go like others, and told", async () => {
    const world = outage("drop-oldest");
    await world.start();
    world.rig.anchor.judge = () => ({ reject: "key-unknown" });
    await world.pass(250);
    expect(world.rig.report().outbox.refused).toBeGreaterThan(0);
    expect(world.waitingBytes).toBeLessThanOrEqual(MAX_BYTES);
    await world.recover();
    const found = world.check(METER.name);
    expect(found.missing.length).toBeGreaterThan(0);
  });

  test("chains that open anew with every sample don't outgrow it", async () => {
    const rig = new Rig();
    rig.settings = {
      ...rig.settings,
      outbox: { ...rig.settings.outbox, maxBytes: 30_000, whenFull: "drop-oldest" },
    };
    await rig.start();
    for (let n = 1; n <= 120; n++) {
      const unit = n % 2 === 0 ? "kWh" : "Wh";
      const one = observation(n, rig.system.wallUnixMs());
      rig.source.push({ ...one, registers: [{ ...COUNTER, unit }] });
      await rig.time.advance(1000);
    }
    expect(rig.report().outbox.waiting.bytes).toBeLessThanOrEqual(30_000);
  });
});

describe("stop", () => {
  test("at the bound a gap is told for each time of not reading, not for each sample, and a slow stream isn't starved", async () => {
    const world = outage("stop", [METER, SLOW]);
    await world.start();
    world.throttle(8);
    for (let minutes = 0; minutes < 20; minutes++) {
      await world.pass(60);
      void world.waitingBytes;
    }
    await world.recover();
    const fast = world.check(METER.name);
    const slow = world.check(SLOW.name);
    expect(fast.missing.length).toBeGreaterThan(2);
    expect(gaps(world.ledger, METER.name).length).toBeLessThan(fast.samples.timed / 10);
    expect(gaps(world.ledger, SLOW.name).length).toBeLessThan(slow.samples.timed);
    expect(slow.samples.timed).toBeGreaterThan(10);
    expect(world.most).toBeLessThan(MAX_BYTES * 1.25);
  }, 60_000);

  test("sys goes on in its part; beyond that it says nothing, starts included, and then how much it left out", async () => {
    const world = outage("stop", [METER], "heartbeat: 2");
    await world.start();
    world.rig.anchor.judge = () => "silence";
    await world.pass(120);
    const heads = (): number => world.rig.sealed("sys").filter(({ event }) => event?.kind === "heads").length;
    const before = heads();
    await world.pass(60);
    const boots = (): number => world.rig.sealed("sys").filter(({ event }) => event?.kind === "boot").length;
    for (let n = 0; n < 10; n++) {
      world.crash();
      await world.start();
      await world.pass(3);
    }
    expect(heads(), "no further ones").toBeLessThanOrEqual(before + 8);
    expect(boots()).toBeLessThan(5);
    expect(world.waitingBytes).toBeLessThan(MAX_BYTES * 1.2);
    await world.recover();
    world.check(METER.name);
    const [gap, ...more] = gaps(world.ledger, "sys");
    expect(more).toEqual([]);
    expect(gap).toMatchObject({ reason: "outbox-full" });
    expect(gap?.count).toBeGreaterThan(15);
    const sys = coverage(world.ledger).find(({ sub }) => sub === "sys");
    expect(sys?.chains.flatMap(({ missing }) => missing)).toEqual([]);
  });

  test("no word from the wire makes room: only a receipt that verifies does", async () => {
    const world = outage("stop");
    await world.start();
    world.rig.anchor.judge = () => "silence";
    await world.pass(150);
    const { rig } = world;
    const full = world.waitingBytes;
    expect(full).toBeGreaterThanOrEqual(MAX_BYTES);
    const statements = rig.sealed();
    for (const { hash } of statements) {
      rig.down(encodeDown({ kind: "rejected", hash, code: "fork", text: "throw it away" }));
      rig.down(encodeDown({ kind: "wanted", hashes: [hash] }));
    }
    const hashes = statements.map(({ hash }) => hash);
    const good = await rig.anchor.receipt(hashes);
    rig.down(
      encodeDown({
        ...good,
        receipt: good.receipt.with(good.receipt.length - 1, (good.receipt.at(-1) ?? 0) ^ 1),
      }),
    );
    await rig.time.advance(1000);
    expect(rig.report().outbox.waiting.bytes).toBeGreaterThanOrEqual(full);
    expect(world.meters.get(METER.name)?.lines, "the line to the meter is closed").toBe(0);
    rig.down(encodeDown(good));
    await rig.time.advance(1000);
    expect(rig.report().outbox.waiting.bytes).toBeLessThan(full);
    expect(world.meters.get(METER.name)?.lines).toBe(1);
  });

  test("metered: rarer samples and heads, the same account", async () => {
    const world = new Outage({
      whenFull: "stop",
      maxBytes: 12_000,
      streams: [{ name: "meter/m-1", everyS: 60, names: 10 }],
      yaml: "metered: true",
    });
    await world.start();
    world.rig.anchor.judge = () => "silence";
    await world.pass(3000);
    await world.recover();
    expect(world.check("meter/m-1").missing.length).toBe(1);
  }, 60_000);
});

describe("the bound", () => {
  test("has room for what is said of each stream", () => {
    const vkey = new Rig().anchor.vkey;
    const streams = (count: number): string =>
      Array.from({ length: count }, (_, i) => `  - { name: m/${i}, source: { kind: host } }`).join("\n");
    const text = (count: number, maxBytes: number): string =>
      `version: 1\norg: a\ndevice: b\nlog: ["${vkey}"]\noutbox: { maxBytes: ${maxBytes} }\nstreams:\n${streams(count)}\n`;
    expect(parseSettings(text(64, 1 << 20), "f", {}).streams).toHaveLength(64);
    expect(() => parseSettings(text(65, 1 << 20), "f", {})).toThrow(/outbox\.maxBytes.*1064960/);
  });

  test("a database of the version before is brought up to date", () => {
    const rig = new Rig();
    rig.storage.close();
    rig.crash();
    const db = new DatabaseSync(join(rig.folder, "agent.db"));
    db.exec(`ALTER TABLE rejection DROP COLUMN told; ALTER TABLE outbox DROP COLUMN share; DROP TABLE told; DROP TABLE standing; DROP TABLE line;
      ALTER TABLE journal DROP COLUMN level; ALTER TABLE journal DROP COLUMN line; DROP TABLE stopped; CREATE TABLE stopped (sub TEXT PRIMARY KEY, since INTEGER NOT NULL, tq INTEGER NOT NULL) STRICT, WITHOUT ROWID;
      INSERT INTO stopped VALUES ('meter/m-1', 5, 2); PRAGMA user_version = 1`);
    db.close();
    const storage = openStorage(rig.folder);
    expect(storage.query("SELECT * FROM stopped").all()).toEqual([
      { sub: "meter/m-1", since: 5, tq: 2, reason: "outbox-full", omitted: 0 },
    ]);
    for (const table of ["told", "standing", "line", "journal"])
      expect(storage.query(`SELECT * FROM ${table}`).all()).toEqual([]);
    storage.transaction(() =>
      storage
        .prepare(
          "INSERT INTO journal (sub, kind, at, tq, scale, count, bytes) VALUES ('a', 0, 0, 0, 0, 1, x'00')",
        )
        .run(),
    );
    expect(storage.query("SELECT level, line FROM journal").get()).toEqual({ level: 1, line: null });
    storage.close();
  });
});
