/** A source that says another thing of itself with each telegram: its readings are evidence all the same, and the ledger isn't flooded. */
import { describe, expect, test } from "vitest";
import { decodePack, type Event, type Gap, type Statement } from "@tallystick/evidence";
import { baseName } from "../../../agent/src/storage/journal.ts";
import type { Observation } from "../../../agent/src/sources/source.ts";
import { COUNTER, ISS, NOW, reading, Rig, STREAM } from "../../support/agent-rig.ts";

const SECOND = 1000;
const HOUR = 3600 * SECOND;
/** What an hour allows of either. */
const MOST = 12;

const stream = (everyS: number): string =>
  `streams: [{ name: ${STREAM}, source: { kind: host }, every: ${everyS} }]`;

const of = <K extends Event["kind"]>(rig: Rig, kind: K): readonly Extract<Event, { kind: K }>[] =>
  rig
    .sealed(STREAM)
    .flatMap(({ event }) => (event?.kind === kind ? [event as Extract<Event, { kind: K }>] : []));

const valuesOf = (statements: readonly Statement[]): readonly string[] =>
  statements.flatMap(({ content }) =>
    content.type === "senml"
      ? decodePack(content.payload, baseName(ISS, STREAM)).map(({ value }) =>
          "v" in value && "mantissa" in value.v ? String(value.v.mantissa) : "?",
        )
      : [],
  );

/** The n-th telegram, of a register of this width and name. */
function telegram(n: number, more: { whole?: number; name?: string; meter?: string } = {}): Observation {
  const { whole = 6, name = COUNTER.name, meter } = more;
  return {
    readings: [{ ...reading(n, NOW + n * SECOND), name }],
    registers: [{ ...COUNTER, name, digits: { whole, fraction: 3 } }],
    receivedUnixMs: NOW + n * SECOND,
    ...(meter === undefined ? {} : { meter }),
  };
}

async function started(everyS = 0, yaml = ""): Promise<Rig> {
  const rig = new Rig(`${stream(everyS)}\n${yaml}`);
  await rig.start();
  return rig;
}

async function said(rig: Rig, telegrams: readonly Observation[]): Promise<void> {
  for (const one of telegrams) {
    rig.source.push(one);
    await rig.time.advance(SECOND);
  }
}

const many = (count: number, make: (n: number) => Observation): readonly Observation[] =>
  Array.from({ length: count }, (_, n) => make(n));

describe("other names with each telegram", () => {
  test("open no more than twelve chains an hour; every reading is sealed, and what had to wait is told", async () => {
    const rig = await started();
    await said(
      rig,
      many(120, (n) => telegram(n, { whole: 6 + (n % 2) })),
    );
    await rig.time.advance(61 * SECOND);
    expect(of(rig, "stream-opened")).toHaveLength(1 + MOST);
    expect(valuesOf(rig.sealed(STREAM))).toEqual(Array.from({ length: 120 }, (_, n) => String(n)));
    expect(rig.lines.filter(({ message }) => message.includes("again and again"))).toHaveLength(1);
    await rig.time.advance(HOUR);
    await said(rig, [telegram(121, { whole: 7 })]);
    expect(of(rig, "stream-opened")).toHaveLength(2 + MOST);
    expect(of(rig, "stream-opened").at(-1)?.names).toEqual([
      { ...COUNTER, digits: { whole: 7, fraction: 3 } },
    ]);
  });

  test("are all told by one chain once the hour allows it, also those that are not shown any more", async () => {
    const rig = await started();
    await said(
      rig,
      many(30, (n) => telegram(n, { name: `r${n}` })),
    );
    expect(of(rig, "stream-opened").at(-1)?.names).toHaveLength(1 + MOST);
    await rig.time.advance(HOUR);
    await said(rig, [telegram(31, { name: "r0" })]);
    expect(of(rig, "stream-opened").at(-1)?.names).toHaveLength(30);
    expect(of(rig, "stream-opened")).toHaveLength(2 + MOST);
  });

  test("that are the chain's own again open none", async () => {
    const rig = await started();
    await said(
      rig,
      many(20, (n) => telegram(n, { whole: 6 + (n % 2) })),
    );
    const told = of(rig, "stream-opened").at(-1)?.names[0]?.digits?.whole ?? 0;
    await rig.time.advance(HOUR);
    await said(rig, [telegram(21, { whole: told }), telegram(22, { whole: told })]);
    expect(of(rig, "stream-opened")).toHaveLength(1 + MOST);
  });

  test("leave no row of a chain behind once its statements are gone", async () => {
    const rig = new Rig(`${stream(0)}\noutbox: { keepReceipted: { days: 0, maxBytes: 0 } }`);
    rig.connectAnchor();
    await rig.start();
    await said(
      rig,
      many(40, (n) => telegram(n, { whole: 6 + (n % 2) })),
    );
    const rows = (): number =>
      rig.storage.query<{ n: number }>("SELECT count(*) AS n FROM chain WHERE sub = ?").get(STREAM)?.n ?? 0;
    expect(rows()).toBeGreaterThan(1);
    await rig.time.advance(HOUR);
    expect(rows()).toBe(1);
    await said(rig, [telegram(41)]);
    await rig.stop();
    await rig.start();
    await said(rig, [telegram(42)]);
  });
});

test("rows of chains that have ended stay for as long as anything names them", () => {
  const rig = new Rig();
  const { outbox } = rig.core();
  rig.storage.transaction(() => {
    for (let id = 1; id <= 6; id++)
      rig.storage
        .prepare("INSERT INTO chain (id, sub, ch, seq, hash, attested) VALUES (?, ?, x'00', 3, x'00', 3)")
        .run(id, id === 6 ? "meter/other" : STREAM);
    rig.storage
      .prepare("INSERT INTO outbox (id, chain, seq, hash, size, sealed, tq) VALUES (1, 1, 3, x'01', 1, 0, 2)")
      .run();
    rig.storage.prepare("INSERT INTO dropped VALUES (2, 1, 2, 2, 0, 2)").run();
    rig.storage.prepare("INSERT INTO told VALUES (9, 3, 1, 2, 2, 0, 2)").run();
  });
  expect(outbox.prune(null)).toBe(false);
  const left = rig.storage.query<{ id: number }>("SELECT id FROM chain ORDER BY id").all();
  expect(left.map(({ id }) => id)).toEqual([1, 2, 3, 5, 6]);
});

describe("another meter with each telegram", () => {
  const flips = (count: number, from = 0): readonly Observation[] =>
    many(count, (n) => telegram(from + n, { meter: (from + n) % 2 === 0 ? "A" : "B" }));
  const left = (rig: Rig): readonly Gap[] => of(rig, "gap");

  test("is taken at once twelve times an hour; after that the stream stays with its meter, and is whole", async () => {
    const rig = await started(10);
    await said(rig, flips(300));
    await rig.time.advance(61 * SECOND);
    expect(of(rig, "meter-changed")).toHaveLength(MOST);
    expect(rig.report().streams.find(({ sub }) => sub === STREAM)?.meter).toBe("A");
    const values = valuesOf(rig.sealed(STREAM)).map(Number);
    const after = values.slice(MOST + 1);
    expect(after.every((value) => value % 2 === 0)).toBe(true);
    expect(after).toHaveLength(28); // one every ten seconds
  });

  test("what was left out is told once the hour allows: how many readings, and since when", async () => {
    const rig = await started(0);
    await said(rig, flips(100));
    expect(left(rig)).toEqual([]);
    await rig.time.advance(HOUR);
    await said(rig, [telegram(200, { meter: "A" }), telegram(202, { meter: "A" })]);
    await rig.time.advance(61 * SECOND);
    const [gap, ...more] = left(rig);
    expect(more).toEqual([]);
    expect(gap).toMatchObject({ reason: "other-meter" });
    expect(valuesOf(rig.sealed(STREAM)).length + (gap?.count ?? 0)).toBe(102);
  });

  test("a meter that is there to stay has the stream once the hour allows, behind the gap", async () => {
    const rig = await started(10);
    await said(rig, flips(20));
    await said(
      rig,
      many(100, (n) => telegram(20 + n, { meter: "B" })),
    );
    await rig.time.advance(HOUR);
    await said(rig, [telegram(300, { meter: "B" })]);
    const kinds = rig.sealed(STREAM).map(({ event }) => event?.kind ?? "readings");
    expect(kinds.slice(-2)).toEqual(["gap", "meter-changed"]);
    expect(left(rig)[0]?.count).toBeGreaterThanOrEqual(10);
    expect(left(rig)[0]?.count).toBeLessThanOrEqual(12);
  });

  test("what was left out is told by a clean stop, too", async () => {
    const rig = await started(0);
    await said(rig, flips(40));
    await rig.stop();
    expect(left(rig)).toHaveLength(1);
    expect(valuesOf(rig.sealed(STREAM)).length + (left(rig)[0]?.count ?? 0)).toBe(40);
  });

  test("without checksum, too", async () => {
    const rig = await started(0);
    const unchecked = flips(200).map((one, n) => ({
      ...one,
      meter: n % 4 < 2 ? "A" : "B",
      readings: one.readings.map((each) => ({ ...each, quality: ["no-checksum" as const] })),
    }));
    await said(rig, unchecked);
    expect(of(rig, "meter-changed")).toHaveLength(MOST);
  });
});
