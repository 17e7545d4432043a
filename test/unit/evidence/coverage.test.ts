/** Coverage by hand: small chains with everything that can be missing, and every small chain there is. */
import {
  coverage,
  decimal,
  encodePack,
  formatDecimal,
  sha256,
  type Before,
  type Covered,
  type Event,
  type Gap,
  type Missing,
  type Reading,
  type StreamCoverage,
} from "@tallystick/evidence";
import { describe, expect, test } from "vitest";

const ISS = "city/gw-1";
const SUB = "meter/a";
const T0 = 1_790_000_000;
const KID = new Uint8Array(32).fill(1);
const chainId = (n: number): Uint8Array => new Uint8Array(8).fill(n);
const hashOf = (sub: string, ch: number, seq: number): Uint8Array =>
  sha256(new TextEncoder().encode(`${sub} ${ch} ${seq}`));

type Place = { readonly seq: number; readonly ch?: number; readonly sub?: string };

const statement = (
  { seq, ch = 1, sub = SUB }: Place,
  what: Pick<Covered, "content"> & { event?: Event },
): Covered => ({
  hash: hashOf(sub, ch, seq),
  kid: KID,
  claims: {
    iss: ISS,
    sub,
    ch: chainId(ch),
    seq,
    tq: 2,
    lvl: 1,
    ...(seq > 0 && { prev: hashOf(sub, ch, seq - 1) }),
  },
  ...what,
});

const said = (place: Place, event: Event): Covered =>
  statement(place, { content: { type: "event", payload: new Uint8Array() }, event });

const opened = (before: Before = "none", ch = 1, interval = decimal(10)): Covered =>
  said({ seq: 0, ch }, { kind: "stream-opened", before, source: "p1", interval, names: [] });

const reading = (at: number | null, more: Partial<Reading> = {}): Reading => ({
  name: "1-0:1.8.0",
  unit: "kWh",
  value: { v: decimal(1) },
  time: at === null ? null : decimal(Math.round((T0 + at) * 1000), -3),
  quality: [],
  ...more,
});

/** Readings `at` so many seconds. */
const pack = (place: Place, ...at: readonly (number | null | Reading)[]): Covered => {
  const readings = at.map((one) => (typeof one === "object" && one !== null ? one : reading(one)));
  return statement(place, {
    content: { type: "senml", payload: encodePack(`${ISS}/${place.sub ?? SUB}/`, readings) },
  });
};

const gap = (place: Place, more: Partial<Gap>): Covered =>
  said(place, { kind: "gap", reason: "outbox-full", count: 1, ...more });
const times = (from: number, to: number): NonNullable<Gap["time"]> => ({
  from: decimal(T0 + from),
  to: decimal(T0 + to),
});

const of = (...statements: readonly Covered[]): StreamCoverage => {
  const found = coverage(statements).find(({ sub }) => sub === SUB);
  if (found === undefined) throw new Error("no such stream");
  return found;
};

const second = (at: Missing["after"]): number | null =>
  at === null ? null : Math.round((Number(formatDecimal(at)) - T0) * 1000) / 1000;
/** What is missing, in short. */
const missing = ({ missing: all }: StreamCoverage): readonly unknown[] =>
  all.map(({ kind, after, before, samples }) => [kind, second(after), second(before), samples]);

describe("samples", () => {
  test("on time, nothing is missing, and all of it is counted", () => {
    const found = of(opened(), pack({ seq: 1 }, 0, 10, 20.4), pack({ seq: 2 }, 30, 39.7));
    expect(missing(found)).toEqual([]);
    expect(found.samples).toEqual({ timed: 5, untimed: 0, late: 0 });
    expect(found.expected).toBe(5);
    expect(second(found.span?.from ?? null)).toBe(0);
    expect(second(found.span?.to ?? null)).toBe(39.7);
    expect(found.chains).toMatchObject([
      { held: [{ from: 0, to: 2 }], missing: [], tail: { seq: 2, attested: false } },
    ]);
  });

  test("that came later than the interval promises are a silence", () => {
    expect(missing(of(opened(), pack({ seq: 1 }, 0, 14.9, 29.8, 44.9, 100)))).toEqual([
      ["silence", 29.8, 44.9, 1],
      ["silence", 44.9, 100, 5],
    ]);
    expect(missing(of(opened(), pack({ seq: 1 }, 0), pack({ seq: 2 }, 60)))).toEqual([["silence", 0, 60, 5]]);
  });

  test("of a stream without an interval are never late", () => {
    const found = of(opened("none", 1, decimal(0)), pack({ seq: 1 }, 0, 1000));
    expect(missing(found)).toEqual([]);
    expect(found.expected).toBeNull();
  });

  test("are moments, not readings: what arrived together is one, by its newest time", () => {
    const rx = (at: number): Partial<Reading> => ({ received: decimal(T0 + at) });
    const gas = { name: "0-1:24.2.1", unit: "m3" };
    const found = of(
      opened(),
      pack(
        { seq: 1 },
        reading(0, rx(3)),
        reading(-3000, { ...gas, ...rx(3) }),
        reading(10, rx(13)),
        reading(20, rx(26)), // two waited in a socket
        reading(30, rx(26)),
        reading(40, rx(43)),
      ),
    );
    expect(missing(found)).toEqual([]);
    expect(found.samples.timed).toBe(5);
  });

  test("without a time are counted apart, and part what is before them from what is after", () => {
    const found = of(opened(), pack({ seq: 1 }, 0), pack({ seq: 2 }, null, null), pack({ seq: 3 }, 500));
    expect(found.samples).toEqual({ timed: 2, untimed: 2, late: 0 });
    expect(missing(found)).toEqual([]);
    expect(found.expected).toBe(4);
  });

  test("that come late fill what was missing, and are no news", () => {
    const found = of(
      opened(),
      pack({ seq: 1 }, 0),
      gap({ seq: 2 }, { time: times(0, 50) }),
      pack({ seq: 3 }, 50),
      pack({ seq: 4 }, 20, 30, 50, 0, 60),
    );
    expect(missing(found)).toEqual([["told", 0, 50, 2]]);
    expect(found.samples).toEqual({ timed: 5, untimed: 0, late: 2 });
    expect(found.expected).toBe(7);
    expect(missing(of(opened(), pack({ seq: 1 }, 0, 20), pack({ seq: 2 }, 10)))).toEqual([]);
  });
});

describe("missing and told", () => {
  test("by time: the gap stands between the samples that it parts, whatever its clock says", () => {
    for (const time of [times(0, 50), times(-5000, 9000), { from: decimal(0), to: decimal(17) }]) {
      const found = of(
        opened(),
        pack({ seq: 1 }, 0),
        gap({ seq: 2 }, { time, count: 4 }),
        pack({ seq: 3 }, 50),
      );
      expect(missing(found)).toEqual([["told", 0, 50, 4]]);
      expect(found.missing[0]?.gaps).toMatchObject([{ reason: "outbox-full", count: 4 }]);
    }
  });

  test("by numbers, cut where the device's word ends", () => {
    const found = of(
      opened(),
      pack({ seq: 1 }, 0),
      pack({ seq: 6 }, 50),
      gap({ seq: 7 }, { seq: { first: 2, last: 4 }, count: 3 }),
    );
    expect(found.chains[0]?.missing.map(({ from, to, gaps }) => [from, to, gaps.length])).toEqual([
      [2, 4, 1],
      [5, 5, 0],
    ]);
    expect(missing(found)).toEqual([["hole", 0, 50, 4]]); // one number is enough
    const whole = of(
      opened(),
      pack({ seq: 1 }, 0),
      pack({ seq: 6 }, 50),
      gap({ seq: 7 }, { seq: { first: 2, last: 5 }, count: 4 }),
    );
    expect(missing(whole)).toEqual([["told", 0, 50, 4]]);
  });

  test("what is told and here all the same is not missing", () => {
    const found = of(
      opened(),
      pack({ seq: 1 }, 0),
      pack({ seq: 2 }, 10),
      gap({ seq: 3 }, { seq: { first: 1, last: 2 }, count: 2 }),
    );
    expect(missing(found)).toEqual([]);
    expect(found.chains[0]?.missing).toEqual([]);
  });

  test("before the first sample, and after the last", () => {
    const found = of(
      opened(),
      pack({ seq: 2 }, 0),
      gap({ seq: 3 }, { seq: { first: 1, last: 1 } }),
      gap({ seq: 4 }, { time: times(0, 5) }),
    );
    expect(missing(found)).toEqual([
      ["told", null, 0, null],
      ["told", 0, null, null],
    ]);
  });

  test("on sys, of a chain that has ended", () => {
    const successor = opened({ ch: chainId(1), seq: 3, hash: hashOf(SUB, 1, 3) }, 2);
    const told = gap(
      { sub: "sys", seq: 4 },
      { seq: { first: 1, last: 3 }, count: 3, chain: { sub: SUB, ch: chainId(1) } },
    );
    const found = of(pack({ seq: 1, ch: 2 }, 100), successor, told, opened());
    expect(missing(found)).toEqual([["told", null, 100, null]]);
    expect(found.chains.map(({ ch }) => ch[0])).toEqual([1, 2]); // in succession
    expect(missing(of(pack({ seq: 1, ch: 2 }, 100), successor, opened()))).toEqual([
      ["hole", null, 100, null],
    ]);
  });
});

describe("missing without a word", () => {
  test("a cut tail shows where the device's heads name more", () => {
    const heads = said(
      { sub: "sys", seq: 1 },
      { kind: "heads", all: true, heads: [{ sub: SUB, ch: chainId(1), seq: 5, hash: hashOf(SUB, 1, 5) }] },
    );
    const found = of(opened(), pack({ seq: 1 }, 0), heads);
    expect(missing(found)).toEqual([["hole", 0, null, null]]);
    expect(found.chains).toMatchObject([
      { missing: [{ from: 2, to: 5, gaps: [] }], tail: { attested: false } },
    ]);
  });

  test("a tail is attested by heads, or by the chain that follows", () => {
    const head = { sub: SUB, ch: chainId(1), seq: 1, hash: hashOf(SUB, 1, 1) };
    const heads = (more: object): Covered =>
      said({ sub: "sys", seq: 1 }, { kind: "heads", all: true, heads: [{ ...head, ...more }] });
    const tail = (...more: readonly Covered[]): unknown =>
      of(opened(), pack({ seq: 1 }, 0), ...more).chains[0]?.tail;
    expect(tail(heads({}))).toEqual({ seq: 1, attested: true });
    expect(tail(heads({ hash: KID }))).toEqual({ seq: 1, attested: false });
    expect(tail(opened({ ...head }, 2))).toEqual({ seq: 1, attested: true });
  });

  test("a stream and a chain of which there is nothing but that heads name them", () => {
    const named = (sub: string, ch: number): Covered =>
      said(
        { sub: "sys", seq: ch },
        { kind: "heads", all: true, heads: [{ sub, ch: chainId(ch), seq: 2, hash: KID }] },
      );
    const found = coverage([opened(), named("meter/gone", 3), named(SUB, 4)]);
    const gone = found.find(({ sub }) => sub === "meter/gone");
    expect(gone?.chains).toMatchObject([{ held: [], missing: [{ from: 0, to: 2 }], tail: { seq: -1 } }]);
    expect(gone && missing(gone)).toEqual([["hole", null, null, null]]);
    expect(found.find(({ sub }) => sub === SUB)?.chains).toHaveLength(2);
  });

  test("a chain whose predecessor is lost says why", () => {
    const found = of(
      opened(),
      pack({ seq: 1 }, 0),
      opened({ lost: "disk replaced" }, 2),
      pack({ seq: 1, ch: 2 }, 100),
    );
    expect(missing(found)).toEqual([["lost", 0, 100, 9]]);
    expect(found.missing[0]?.lost).toBe("disk replaced");
    expect(found.findings).toMatchObject([{ code: "discontinuity" }]);
  });

  test("hostile: chains that name one another, gaps over everything", () => {
    const circle = of(
      opened({ ch: chainId(2), seq: 0, hash: hashOf(SUB, 2, 0) }, 1),
      opened({ ch: chainId(1), seq: 0, hash: hashOf(SUB, 1, 0) }, 2),
    );
    expect(circle.chains).toHaveLength(2);
    const most = Number.MAX_SAFE_INTEGER;
    const wide = of(
      opened(),
      ...Array.from({ length: 2000 }, (_, i) =>
        gap({ seq: i * 2 + 1 }, { seq: { first: 0, last: most - i }, count: most }),
      ),
    );
    expect(wide.chains[0]?.missing.length).toBeLessThan(2100);
    expect(missing(wide).every((one) => (one as string[])[0] === "told")).toBe(true);
    const far = of(
      opened("none", 1, decimal(1, -32)),
      pack({ seq: 1 }, { ...reading(0), time: decimal(T0) }, { ...reading(0), time: decimal(10n ** 37n, 0) }),
    );
    expect(far.missing[0]?.samples).toBe(most);
  });
});

describe("the gateway's clock", () => {
  const step = (before: number, after: number): Covered =>
    said(
      { sub: "sys", seq: 1 },
      {
        kind: "clock-step",
        before: decimal(T0 + before),
        after: decimal(T0 + after),
        uptime: decimal(1),
        tq: 2,
      },
    );

  test("set forward, no sample is missing for it", () => {
    const found = of(opened(), pack({ seq: 1 }, 0, 10), pack({ seq: 2 }, 100_020), step(12, 100_012));
    expect(missing(found)).toEqual([]);
    expect(
      missing(of(opened(), pack({ seq: 1 }, 0, 10), pack({ seq: 2 }, 100_120), step(12, 100_012))),
    ).toEqual([["silence", 10, 100_120, 10]]);
  });

  test("set back, what follows is news all the same", () => {
    const found = of(opened(), pack({ seq: 1 }, 0, 10), pack({ seq: 2 }, -980, -970), step(15, -985));
    expect(missing(found)).toEqual([]);
    expect(found.samples).toEqual({ timed: 4, untimed: 0, late: 0 });
  });

  test("doesn't excuse a device that has its own", () => {
    const own = (at: number): Reading => reading(at, { received: decimal(T0 + at) });
    const found = of(opened(), pack({ seq: 1 }, own(0)), pack({ seq: 2 }, own(100)), step(1, 95));
    expect(missing(found)).toEqual([["silence", 0, 100, 9]]);
  });
});

test("every chain of six places, each held, told or gone: numbers add up, and what is gone without a word is never called told", () => {
  const STATES = ["held", "told", "gone"] as const;
  for (let n = 0; n < 3 ** 5; n++) {
    const states = Array.from({ length: 5 }, (_, i) => STATES[Math.floor(n / 3 ** i) % 3]);
    const told = states.flatMap((state, i) => (state === "told" ? [i + 1] : []));
    const statements = [
      opened(),
      ...states.flatMap((state, i) => (state === "held" ? [pack({ seq: i + 1 }, i * 10)] : [])),
      pack({ seq: 6 }, 50),
      ...told.map((seq, i) => gap({ seq: 7 + i }, { seq: { first: seq, last: seq } })),
    ];
    const found = of(...statements);
    const [chain] = found.chains;
    const count = (ranges: readonly { from: number; to: number }[] = []): number =>
      ranges.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    expect(count(chain?.held) + count(chain?.missing)).toBe(7 + told.length);
    expect(count(chain?.missing.filter(({ gaps }) => gaps.length > 0))).toBe(told.length);
    expect(count(chain?.missing)).toBe(states.filter((state) => state !== "held").length);
    // Once the first sample is known, the interval tells how many there should be.
    const first = states.findIndex((state) => state === "held");
    expect(found.expected).toBe(6 - (first === -1 ? 5 : first));
    const runs = states
      .join(" ")
      .split(/\bheld\b/)
      .map((run) => run.trim())
      .filter((run) => run !== "");
    expect(found.missing.map(({ kind }) => kind)).toEqual(
      runs.map((run) => (run.includes("gone") ? "hole" : "told")),
    );
  }
});
