import { decimal, encodeEat, type BootEvidence, type Scope } from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { decodeContent, encodeContent } from "../../../audit/src/certificate/content.ts";
import { certificateOf } from "../../../audit/src/certificate/make.ts";
import type { CoverageBody, Finding, StreamCoverage } from "../../../audit/src/coverage/body.ts";
import { coverFacts } from "../../../audit/src/coverage/cover.ts";
import { totalOf } from "../../../audit/src/coverage/numbers.ts";
import type { Result } from "../../../audit/src/result.ts";
import { Zone } from "../../../audit/src/zone.ts";
import { BOOT_EVIDENCE } from "../../support/statements.ts";
import { FactsTown, hashOf, HOUR_S, QUARTER_S, REGISTER, registerAt } from "../../support/facts-town.ts";

const at = (text: string): number => Date.parse(text) / 1000;
const VIENNA = new Zone("Europe/Vienna");
/** Three days of winter. */
const FROM = at("2026-11-02T00:00:00+01:00");
const TO = at("2026-11-05T00:00:00+01:00");
const START = FROM - 12 * HOUR_S;
const END = TO + 12 * HOUR_S;
/** Some hour in the middle of the second day. */
const NOON = at("2026-11-03T12:00:00+01:00");

/** An honest town from half a day before to half a day after the period; `twist` takes over hours, and gives true where it did. */
function town(twist: (hourS: number, town: FactsTown) => boolean | void = () => {}, opening = {}): FactsTown {
  const made = new FactsTown(START, { opening });
  for (let hourS = START + HOUR_S; hourS <= END; hourS += HOUR_S)
    if (twist(hourS, made) !== true) made.hour(hourS);
  return made;
}

type Covered = {
  readonly body: CoverageBody;
  readonly stream: StreamCoverage;
  readonly all: readonly Finding[];
};

function cover(
  made: FactsTown,
  { zone = VIENNA, from = FROM, to = TO, lateAfterS = 86_400, scopes = [] as readonly Scope[] } = {},
): Covered {
  using facts = made.facts();
  const all: Finding[] = [];
  const { body } = coverFacts(facts.db, {
    zone,
    from,
    to,
    lateAfterS,
    streams: [{ iss: made.iss, sub: made.sub }],
    scopes,
    write: (finding) => all.push(finding),
    progress: () => {},
  });
  const [stream] = body.streams;
  if (stream === undefined) throw new Error("no stream");
  return { body, stream, all };
}

/** Class and count of every finding. */
const found = ({ all }: Covered): string[] => all.map((one) => `${one.class} ${one.count}`).toSorted();

const onlyOf = ({ all }: Covered): Finding => {
  expect(all).toHaveLength(1);
  return all[0] as Finding;
};

const PERIOD_SAMPLES = 3 * 96;

describe("an honest stream", () => {
  test("is complete, and nothing is found", () => {
    const covered = cover(town());
    expect(found(covered)).toEqual([]);
    const { stream, body } = covered;
    expect(stream).toMatchObject({
      state: "complete",
      source: "p1",
      meter: "e-1",
      interval: "900",
      begins: { by: "reading" },
      ends: { by: "reading" },
      readings: PERIOD_SAMPLES,
      untimed: 0,
      clock: [0, 0, PERIOD_SAMPLES, 0],
      qualities: [],
      first: "2026-11-02T00:00:00+01:00",
      last: "2026-11-04T23:45:00+01:00",
      total: { expected: PERIOD_SAMPLES, received: PERIOD_SAMPLES, late: 0, repeats: 0, conflicts: 0 },
    });
    expect(stream.days.map(({ label, expected, colour }) => [label, expected, colour])).toEqual([
      ["2026-11-02", 96, "green"],
      ["2026-11-03", 96, "green"],
      ["2026-11-04", 96, "green"],
    ]);
    expect(stream.months).toHaveLength(1);
    expect(stream.months[0]).toMatchObject({ label: "2026-11", expected: PERIOD_SAMPLES });
    expect(body.devices).toEqual([
      { iss: "water/gw-1", silenceS: 3 * HOUR_S, longestS: HOUR_S - 1, told: true, starts: 0, versions: [] },
    ]);
    // The hour that ends at midnight has one reading of the new day: it belongs to both.
    const [chain] = stream.chains;
    expect(chain).toMatchObject({ held: 73, seqs: { from: 12, to: 84 }, attested: { seq: 84 } });
  });

  test("the same facts give the same body, at any time and in any order of questions", () => {
    const made = town();
    expect(JSON.stringify(cover(made).body)).toBe(JSON.stringify(cover(made).body));
  });

  test("a period that begins with the stream, and ends with what the device's heads say", () => {
    const covered = cover(town(), { from: START, to: END });
    expect(found(covered)).toEqual(["restart 1"]);
    expect(covered.stream).toMatchObject({
      state: "complete",
      begins: { by: "chain" },
      ends: { by: "heads" },
    });
    expect(covered.stream.total).toMatchObject({ expected: 96 * 4 - 1, received: 96 * 4 - 1 });
  });

  test("what the device names behind the statement that ends the period is of later, and not missing", () => {
    // As a case has it: up to the pack that was sealed when the period was over, and all the heads there are.
    const upTo = (last: number): FactsTown => {
      const made = town();
      for (const [seq, one] of made.meter.made.entries()) one.held = seq <= last;
      return made;
    };
    const covered = cover(upTo(84));
    expect(found(covered)).toEqual([]);
    expect(covered.stream).toMatchObject({ state: "complete", ends: { by: "reading" } });
    expect(covered.stream.chains[0]?.seqs).toEqual({ from: 12, to: 84 });
    // One less, and something of the period may be in what is not here.
    const less = cover(upTo(83));
    expect(found(less)).toEqual(["missing 13"]);
    expect(less.stream.state).toBe("incomplete");
  });

  test("of none of the streams that are asked for nothing is said", () => {
    using facts = town().facts();
    const streams = [{ iss: "gas/*", sub: "*" }];
    const asked = { zone: VIENNA, from: FROM, to: TO, lateAfterS: 0, streams, scopes: [] };
    const silent = { write: () => undefined, progress: () => undefined };
    expect(() => coverFacts(facts.db, { ...asked, ...silent })).toThrow(
      expect.objectContaining({ code: "bundle-scope" }),
    );
    for (const iss of ["*", "water/*"]) {
      const { body } = coverFacts(facts.db, { ...asked, ...silent, streams: [{ iss, sub: "meter/*" }] });
      expect(body.streams.map((one) => `${one.iss}/${one.sub}`)).toEqual(["water/gw-1/meter/m-1"]);
    }
  });

  test("nothing shows the end where the period goes on behind it", () => {
    const covered = cover(town(), { from: FROM, to: END + 2 * HOUR_S });
    expect(found(covered)).toEqual(["open-end 1"]);
    expect(covered.stream).toMatchObject({ state: "incomplete", ends: { by: "open" } });
    expect(covered.stream.total.missing).toMatchObject({ unexplained: 7 });
  });
});

describe("a case that begins in the middle of a chain, with its opening", () => {
  /** Without the numbers 1 to 11, which were sealed before the period. */
  function middle(): { made: FactsTown; scopes: readonly Scope[] } {
    const made = town();
    for (const one of made.meter.made.slice(1, 12)) one.held = false;
    return { made, scopes: made.scopes.map((scope) => ({ ...scope, from: 12 })) };
  }

  test("is whole where the device's heads had named what stands before it", () => {
    const { made, scopes } = middle();
    const covered = cover(made, { scopes });
    expect(found(covered)).toEqual([]);
    expect(covered.stream).toMatchObject({
      begins: { by: "heads" },
      interval: "900",
      chains: [{ seqs: { from: 12, to: 84 }, held: 73 }],
    });
  });

  test("is open where nothing shows that nothing was left out", () => {
    const { made, scopes } = middle();
    for (const one of made.sys.made) if (one.atS < FROM) one.held = false;
    const covered = cover(made, { scopes });
    expect(found(covered)).toEqual(["open-begin 1"]);
    expect(covered.stream.chains).toMatchObject([{ seqs: { from: 12 }, held: 73 }]);
  });
});

describe("what is missing, planted alone and found alone", () => {
  test("a hole that nobody explains", () => {
    const made = town();
    for (const one of made.meter.made.slice(40, 43)) one.held = false;
    const covered = cover(made);
    expect(onlyOf(covered)).toMatchObject({
      class: "missing",
      count: 3,
      seqs: { from: 40, to: 42 },
      from: "2026-11-03T03:00:00+01:00",
      to: "2026-11-03T06:15:00+01:00",
    });
    expect(covered.stream.state).toBe("incomplete");
    expect(covered.stream.total).toMatchObject({ expected: PERIOD_SAMPLES, received: PERIOD_SAMPLES - 12 });
    expect(covered.stream.total.missing).toMatchObject({ unexplained: 12, silent: 0 });
    expect(covered.stream.days.map(({ colour }) => colour)).toEqual(["green", "red", "green"]);
  });

  test("a hole over midnight counts in both days", () => {
    const made = town();
    // Seq n is the hour that ends n hours after the start: 36 ends at midnight of the third.
    for (const one of made.meter.made.slice(36, 38)) one.held = false;
    const covered = cover(made);
    expect(found(covered)).toEqual(["missing 2"]);
    expect(covered.stream.days.map(({ missing }) => missing.unexplained)).toEqual([3, 5, 0]);
  });

  test("a hole outside the period is none of it", () => {
    const made = town();
    for (const one of made.meter.made.slice(3, 5)) one.held = false;
    for (const one of made.meter.made.slice(90, 92)) one.held = false;
    expect(found(cover(made))).toEqual([]);
  });

  test("a tail that is withheld: the heads name it", () => {
    const made = town();
    for (const one of made.meter.made.slice(80)) one.held = false;
    const covered = cover(made);
    expect(found(covered)).toEqual(["missing 17"]);
    expect(covered.stream.ends).toMatchObject({ by: "heads" });
    expect(covered.stream.days.map(({ missing }) => missing.unexplained)).toEqual([0, 0, 19]);
  });

  test("a stream that was withheld as a whole", () => {
    const made = town();
    for (const one of made.meter.made) one.held = false;
    const covered = cover(made);
    expect(found(covered)).toEqual(["missing 72", "open-begin 1", "open-end 1"]);
    expect(covered.stream).toMatchObject({ state: "incomplete", readings: 0 });
  });

  test("a chain that was withheld with the opening of the one behind it: its place isn't known, and the heads name it", () => {
    const made = town((hourS, one) => {
      if (hourS === NOON - 5 * HOUR_S || hourS === NOON) one.reopen(hourS - HOUR_S + 60);
    });
    const [, , second, third] = made.chains;
    const gone = [...(second?.made ?? []), ...(third?.made ?? []).slice(0, 1)];
    for (const one of gone) one.held = false;
    const covered = cover(made);
    expect(gone).toHaveLength(7);
    expect(found(covered)).toEqual(["missing 1", "missing 6"]);
    expect(covered.stream.state).toBe("incomplete");
    expect(covered.stream.total.missing).toMatchObject({ unexplained: 20, silent: 0 });
  });

  test("a chain that the heads name only after the period is none of it", () => {
    const made = town((hourS, one) => void (hourS === TO + 5 * HOUR_S && one.reopen(hourS - HOUR_S + 60)));
    for (const one of made.meter.made) one.held = false;
    expect(found(cover(made))).toEqual([]);
  });

  test("what the anchor knew of and didn't hand over", () => {
    const made = town();
    for (const one of made.meter.made.slice(40, 43)) one.held = false;
    made.withheld.push({ ch: made.meter.ch, first: 40, last: 42, why: "not-handed-over", by: null });
    const covered = cover(made);
    expect(found(covered)).toEqual(["not-handed-over 3"]);
    expect(covered.stream.total.missing).toMatchObject({ "not-handed-over": 12, unexplained: 0 });
  });

  test("statements that were let go, and the device says so", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS !== NOON) return;
        const [a, b] = made.meter.made.slice(-2);
        if (a !== undefined) a.held = false;
        if (b !== undefined) b.held = false;
        const seq = { first: a?.seq ?? 0, last: b?.seq ?? 0 };
        made.tell(made.meter, { kind: "gap", reason: "outbox full", count: 2, seq }, hourS - 10);
      }),
    );
    expect(found(covered)).toEqual(["gap 2"]);
    expect(covered.stream.state).toBe("explained");
    expect(covered.stream.total.missing).toMatchObject({ told: 8, unexplained: 0, silent: 0 });
    expect(covered.stream.days.map(({ colour }) => colour)).toEqual(["green", "amber", "green"]);
  });

  test("readings that were never sealed, and the device says so", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS !== NOON) return false;
        made.read(hourS);
        const time = { from: decimal(hourS - 2700), to: decimal(hourS) };
        made.tell(made.meter, { kind: "gap", reason: "no room", count: 4, time }, hourS + 5);
        made.heads(hourS + 6);
        return true;
      }),
    );
    expect(found(covered)).toEqual(["gap 4"]);
    expect(covered.stream.total.missing).toMatchObject({ told: 4, silent: 0 });
  });

  test("a source that was silent: nothing is missing from the chain", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS !== NOON) return false;
        made.read(hourS);
        made.heads(hourS + 6);
        return true;
      }),
    );
    expect(onlyOf(covered)).toMatchObject({ class: "no-sample", count: 4 });
    expect(covered.stream.total.missing).toMatchObject({ silent: 4 });
    expect(covered.stream.state).toBe("incomplete");
  });

  test("a statement that is here and doesn't hold", () => {
    const made = town();
    const one = made.meter.made[40];
    if (one !== undefined) [one.standing, one.code] = ["bad", "signature-invalid"];
    const covered = cover(made);
    expect(onlyOf(covered)).toMatchObject({ class: "bad", count: 1, says: "signature-invalid" });
    expect(covered.stream.total.missing).toMatchObject({ bad: 4, unexplained: 0 });
  });

  test("a fork: neither of the two proves anything", () => {
    const made = town();
    const one = made.meter.made[40];
    if (one !== undefined) {
      [one.standing, one.code] = ["bad", "fork"];
      made.meter.made.splice(41, 0, { ...one, hash: hashOf("another"), order: one.order + 0.5 });
    }
    const covered = cover(made);
    expect(onlyOf(covered)).toMatchObject({ class: "fork", seqs: { from: 40, to: 40 }, count: 2 });
    expect(covered.stream.total.missing).toMatchObject({ bad: 4 });
  });
});

describe("erased by order", () => {
  /** A town in which number 40 was erased, and the statement of `iss` that says so. */
  function erased(iss: string, acts: string, range = { first: 40, last: 40 }): FactsTown {
    const made = town();
    made.acts = acts;
    const order = made.tell(
      made.sys,
      { kind: "erased", hash: made.meter.made[40]?.hash ?? hashOf(""), order: "court 7/26" },
      END + 60,
    );
    for (const one of made.meter.made.slice(range.first, range.last + 1)) one.held = false;
    made.erasedBy = iss;
    made.withheld.push({
      ch: made.meter.ch,
      ...range,
      why: "erased",
      by: Buffer.from(order.hash).toString("hex"),
    });
    return made;
  }

  test("by a device of the same org", () => {
    const covered = cover(erased("water/gw-1", "water"));
    expect(onlyOf(covered)).toMatchObject({ class: "erased", count: 1 });
    expect(covered.stream.state).toBe("explained");
    expect(covered.stream.total.missing).toMatchObject({ erased: 4 });
  });

  test("by a device that an operator for every org brought", () => {
    expect(found(cover(erased("city/anchor", "*")))).toEqual(["erased 1"]);
  });

  test("not by a device of another org", () => {
    const covered = cover(erased("waste/gw-9", "waste"));
    expect(found(covered)).toEqual(["erased-unordered 1"]);
    expect(covered.stream.state).toBe("incomplete");
  });

  test("one order is for one statement", () => {
    expect(found(cover(erased("water/gw-1", "water", { first: 40, last: 41 })))).toEqual([
      "erased-unordered 2",
    ]);
  });

  test("an order about another statement: one that is here, or another than the heads name", () => {
    const here = erased("water/gw-1", "water");
    const [, one] = here.meter.made;
    const order = here.sys.made.at(-1);
    if (one !== undefined && order !== undefined)
      here.sys.made[here.sys.made.indexOf(order)] = {
        ...order,
        event: { kind: "erased", hash: one.hash, order: "x" },
      };
    expect(found(cover(here))).toEqual(["erased-unordered 1"]);
    const other = erased("water/gw-1", "water");
    const last = other.sys.made.at(-1);
    if (last !== undefined)
      other.sys.made[other.sys.made.indexOf(last)] = {
        ...last,
        event: { kind: "erased", hash: hashOf("other"), order: "x" },
      };
    expect(found(cover(other))).toEqual(["erased-unordered 1"]);
  });

  test("an order that isn't here", () => {
    const made = erased("water/gw-1", "water");
    const order = made.sys.made.at(-1);
    if (order !== undefined) order.held = false;
    expect(found(cover(made))).toEqual(["erased-unordered 1"]);
  });
});

describe("when", () => {
  test("late: committed long after it was read", () => {
    const made = town();
    const one = made.meter.made[40];
    if (one !== undefined) one.committedS += 6 * HOUR_S;
    const covered = cover(made, { lateAfterS: 4 * HOUR_S });
    expect(onlyOf(covered)).toMatchObject({ class: "late", count: 4, seqs: { from: 40, to: 40 } });
    expect(covered.stream.total.late).toBe(4);
    expect(covered.stream.state).toBe("complete");
    expect(found(cover(made))).toEqual([]);
  });

  test("admitted out of order", () => {
    const made = town();
    const [one, next] = made.meter.made.slice(40, 42);
    if (one !== undefined && next !== undefined) [one.order, next.order] = [next.order, one.order];
    expect(found(cover(made))).toEqual(["reordered 1"]);
  });

  test("backfill: read later than newer ones, and placed by its own time", () => {
    let kept: ReturnType<FactsTown["read"]> = [];
    const covered = cover(
      town((hourS, made) => {
        if (hourS === NOON) {
          kept = made
            .read(hourS)
            .map((one) => ({ ...one, q: "backfill", rx: (hourS + 5 * HOUR_S) * 1_000_000 }));
          made.heads(hourS + 6);
          return true;
        }
        if (hourS === NOON + 5 * HOUR_S) made.report(kept, hourS);
        return false;
      }),
    );
    expect(found(covered)).toEqual([]);
    expect(covered.stream.total).toMatchObject({ expected: PERIOD_SAMPLES, received: PERIOD_SAMPLES });
    expect(covered.stream.qualities).toEqual([{ quality: "backfill", count: 4 }]);
  });

  test("a time after its own commit", () => {
    const made = town();
    const one = made.meter.made[40];
    for (const reading of one?.readings ?? []) if (reading.t !== null) reading.t += 1;
    if (one !== undefined) one.committedS -= 2 * HOUR_S;
    expect(found(cover(made))).toEqual(["ahead 4"]);
  });

  test("a clock that was not synchronised, and then set", () => {
    const covered = cover(
      town((hourS, made) => {
        made.tq = hourS >= NOON && hourS < NOON + 3 * HOUR_S ? 1 : 2;
        if (hourS !== NOON + 3 * HOUR_S) return;
        const [before, after] = [decimal(hourS - 47), decimal(hourS)];
        made.tell(made.sys, { kind: "clock-step", before, after, uptime: decimal(9), tq: 2 }, hourS);
      }),
    );
    expect(found(covered)).toEqual(["clock-step 1", "clock-unsynchronised 3"]);
    expect(covered.stream.clock).toEqual([0, 12, PERIOD_SAMPLES - 12, 0]);
    expect(covered.stream.state).toBe("complete");
  });

  test("hours that the gateway's clock leapt were not missed", () => {
    const leapt = 2 * HOUR_S;
    const covered = cover(
      town((hourS, made) => {
        for (const one of made.meter.made) for (const reading of one.readings) reading.rx = null;
        if (hourS === NOON || hourS === NOON + HOUR_S) return true;
        if (hourS !== NOON + leapt) return false;
        const before = decimal(hourS - leapt - HOUR_S);
        made.tell(
          made.sys,
          { kind: "clock-step", before, after: decimal(hourS - HOUR_S), uptime: decimal(9), tq: 2 },
          hourS,
        );
        return false;
      }),
    );
    expect(found(covered)).toEqual(["clock-step 1"]);
    expect(covered.stream.total.received).toBe(PERIOD_SAMPLES - 8);
  });

  test("silent for longer than allowed", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS < NOON || hourS >= NOON + 4 * HOUR_S) return false;
        made.read(hourS);
        return true;
      }),
    );
    expect(found(covered)).toEqual(["no-sample 16", "silence 17999"]);
    expect(covered.body.devices[0]).toMatchObject({ longestS: 17_999, silenceS: 10_800 });
  });

  test("of silence nothing is known where what the device says of itself isn't here whole", () => {
    const made = town((hourS, one) => {
      if (hourS < NOON || hourS >= NOON + 4 * HOUR_S) return false;
      one.read(hourS);
      return true;
    });
    const gone = made.sys.made.filter(({ atS }) => atS > NOON + 5 * HOUR_S && atS < NOON + 7 * HOUR_S);
    for (const one of gone) one.held = false;
    // A bundle of the meter alone has some heads of it.
    const bundle = cover(made, { scopes: made.scopes });
    expect(found(bundle)).toEqual(["no-sample 16"]);
    expect(bundle.body.devices[0]).toMatchObject({ told: false, longestS: null });
    // A case has the whole of it, or says that it lacks something.
    const sys = { iss: made.iss, sub: "sys", ch: made.sys.ch, from: 0, to: made.sys.made.length - 1 };
    const whole = cover(made, { scopes: [...made.scopes, sys] });
    expect(found(whole)).toEqual([`missing ${gone.length}`, "no-sample 16"]);
  });

  test("unheard for as long, and sealed meanwhile", () => {
    const made = town();
    for (const { made: all } of made.chains)
      for (const one of all)
        if (one.atS > NOON && one.atS < NOON + 4 * HOUR_S) one.committedS = NOON + 4 * HOUR_S;
    expect(found(cover(made))).toEqual(["heard-late 17992"]);
  });

  test("a key that was declared suspect later", () => {
    const made = town();
    for (const one of made.meter.made.slice(40, 44))
      [one.standing, one.code] = ["restricted", "declared-suspect-later"];
    expect(found(cover(made))).toEqual(["declared-suspect-later 4"]);
  });
});

describe("values", () => {
  test("told twice", () => {
    const covered = cover(
      town((hourS, made) => {
        const again = made.meter.made.at(-1)?.readings ?? [];
        if (hourS !== NOON) return false;
        made.report([...again, ...made.read(hourS)], hourS + 5);
        made.heads(hourS + 6);
        return true;
      }),
    );
    expect(found(covered)).toEqual(["repeat 1", "repeat 1", "repeat 1", "repeat 1"]);
    expect(covered.stream.total).toMatchObject({ repeats: 4, received: PERIOD_SAMPLES, conflicts: 0 });
  });

  test("two values for one time; other digits of the same value are none", () => {
    const made = town();
    const one = made.meter.made[40];
    const [first, second] = one?.readings ?? [];
    if (one !== undefined && first !== undefined && second !== undefined)
      one.readings.push({ ...first, v: "9.5" }, { ...second, v: `${second.v}0` });
    const covered = cover(made);
    expect(found(covered)).toEqual(["conflict 1", "repeat 1"]);
    expect(covered.all.find((each) => each.class === "conflict")).toMatchObject({ name: REGISTER });
    expect(covered.stream.total).toMatchObject({ conflicts: 1, repeats: 1 });
  });

  test("a register that runs backwards", () => {
    const covered = cover(town((hourS, made) => void (hourS === NOON && (made.registerWh -= 3000))));
    expect(onlyOf(covered)).toMatchObject({
      class: "backwards",
      name: REGISTER,
      from: "2026-11-03T11:00:00+01:00",
    });
  });

  test("backwards from the last reading before the period", () => {
    const covered = cover(
      town((hourS, made) => void (hourS === FROM + HOUR_S && (made.registerWh -= 3000))),
      {
        from: FROM + 1,
      },
    );
    expect(found(covered)).toEqual(["backwards 1"]);
  });

  test("a register that rolls over at its declared width", () => {
    const covered = cover(town((hourS, made) => void (hourS === NOON && (made.registerWh = 999_999_750))));
    expect(onlyOf(covered)).toMatchObject({
      class: "rollover",
      says: expect.stringContaining("6 digits") as string,
    });
  });

  test("a fall from a value far below its width is no rollover", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS === NOON) made.registerWh = 800_000_000;
        if (hourS === NOON + HOUR_S) made.registerWh = 1000;
      }),
    );
    expect(found(covered)).toEqual(["backwards 1"]);
  });

  test("wider than declared", () => {
    const made = town(() => {}, {
      names: [{ name: REGISTER, unit: "kWh", type: "counter", digits: { whole: 2, fraction: 3 } }],
    });
    expect(found(cover(made))).toEqual([`over-width ${PERIOD_SAMPLES}`]);
  });

  test("another unit", () => {
    const made = town();
    for (const one of made.meter.made.slice(40))
      one.readings = one.readings.map((row) => ({ ...row, unit: "Wh" }));
    expect(found(cover(made))).toEqual(["unit-changed 1"]);
  });

  test("what no opening declares a counter may fall", () => {
    const made = town((hourS, one) => void (hourS === NOON && (one.registerWh -= 3000)), { names: [] });
    expect(found(cover(made))).toEqual([]);
  });
});

describe("another meter", () => {
  const change = (lastWh: (town: FactsTown) => number | null, firstWh: number | null) =>
    town((hourS, made) => {
      if (hourS !== NOON) return;
      const last = lastWh(made);
      const registers = (wh: number | null) =>
        wh === null ? [] : [{ name: REGISTER, value: decimal(wh, -3) }];
      const ends = { last: registers(last), first: registers(firstWh) };
      made.tell(made.meter, { kind: "meter-changed", old: "e-1", new: "e-2", ...ends }, hourS - HOUR_S + 30);
      made.registerWh = 5000;
    });

  test("with both ends, and they fit", () => {
    expect(found(cover(change(({ registerWh }) => registerWh, 5000)))).toEqual(["meter-changed 1"]);
  });

  test("with an old end below what had been shown", () => {
    expect(found(cover(change(({ registerWh }) => registerWh - 10, 5000)))).toEqual([
      "meter-change-inconsistent 1",
    ]);
  });

  test("with a new end above what was shown then", () => {
    expect(found(cover(change(({ registerWh }) => registerWh, 6000)))).toEqual([
      "meter-change-inconsistent 1",
    ]);
  });

  test("with an end missing", () => {
    expect(found(cover(change(({ registerWh }) => registerWh, null)))).toEqual(["meter-change-open 1"]);
    expect(found(cover(change(() => null, 5000)))).toEqual(["meter-change-open 1"]);
  });

  test("swapped between two chains, and nobody says so", () => {
    const covered = cover(
      town((hourS, made) => void (hourS === NOON && made.reopen(hourS - HOUR_S + 60, { meter: "e-9" }))),
    );
    expect(found(covered)).toEqual(["meter-swapped 1", "new-chain 1"]);
  });
});

describe("life", () => {
  test("a restart, another version, another configuration", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS !== NOON) return;
        const boot = {
          kind: "boot",
          version: "0.2.0",
          boot: hashOf("again").slice(0, 16),
          alive: hourS - 70,
        } as const;
        made.tell(made.sys, boot, hourS - 10);
        made.tell(made.sys, { kind: "config-changed", hash: hashOf("configuration") }, hourS - 9);
      }),
    );
    expect(found(covered)).toEqual(["configuration 1", "restart 1", "software 1"]);
    expect(covered.body.devices[0]).toMatchObject({ starts: 1, versions: ["0.2.0"] });
  });

  test("boot evidence: other files of the same version, another machine under the same key", () => {
    const prove = (made: FactsTown, atS: number, evidence: Partial<BootEvidence>): void =>
      void made.prove(encodeEat({ ...BOOT_EVIDENCE, ...evidence }), atS);
    const same = cover(
      town((hourS, made) => {
        if (hourS === NOON - 5 * HOUR_S || hourS === NOON) prove(made, hourS, {});
      }),
    );
    expect(found(same)).toEqual([]);
    const other = cover(
      town((hourS, made) => {
        if (hourS === NOON - 5 * HOUR_S) prove(made, hourS, { machine: hashOf("one") });
        if (hourS === NOON) prove(made, hourS, { machine: hashOf("another") });
        if (hourS === NOON + HOUR_S)
          prove(made, hourS, { machine: hashOf("another"), files: { count: 1, hash: hashOf("files") } });
      }),
    );
    expect(found(other)).toEqual(["other-machine 1", "software 1"]);
  });

  test("a new chain behind the one before", () => {
    const covered = cover(town((hourS, made) => void (hourS === NOON && made.reopen(hourS - HOUR_S + 60))));
    expect(found(covered)).toEqual(["new-chain 1"]);
    expect(covered.stream.chains).toHaveLength(2);
    expect(covered.stream.state).toBe("complete");
    expect(covered.stream.total).toMatchObject({ expected: PERIOD_SAMPLES, received: PERIOD_SAMPLES });
  });

  test("a chain whose predecessor is lost, and the same after a re-enrolment", () => {
    const lost = town(
      (hourS, made) =>
        void (hourS === NOON && made.reopen(hourS - HOUR_S + 60, { before: { lost: "disk" } })),
    );
    const broken = cover(lost);
    expect(found(broken)).toEqual(["discontinuity 1"]);
    // Nothing is missing that anybody knows of; what was lost nobody knows.
    expect(broken.stream).toMatchObject({ state: "incomplete", total: { expected: PERIOD_SAMPLES } });
    lost.reEnrolled = true;
    const covered = cover(lost);
    expect(found(covered)).toEqual(["re-enrolled 1"]);
    expect(covered.stream.state).toBe("complete");
  });

  test("a statement that the log refused", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS !== NOON) return;
        const refused = { kind: "refused", seq: 7, hash: hashOf("no"), code: "fork", sub: made.sub } as const;
        made.tell(made.sys, refused, hourS);
      }),
    );
    expect(found(covered)).toEqual(["refused 1"]);
  });

  test("a stream that was closed", () => {
    const covered = cover(
      town((hourS, made) => {
        if (hourS === NOON)
          made.tell(made.meter, { kind: "stream-closed", reason: "taken down" }, hourS - HOUR_S + 60);
        if (hourS >= NOON) made.heads(hourS);
        return hourS >= NOON;
      }),
    );
    expect(found(covered)).toEqual([]);
    expect(covered.stream).toMatchObject({ ends: { by: "chain" }, state: "complete" });
    expect(covered.stream.days.map(({ expected, colour }) => [expected, colour])).toEqual([
      [96, "green"],
      [45, "green"],
      [0, "none"],
    ]);
  });

  test("events that come as they come: nothing is due, and a hole is found all the same", () => {
    const made = town(() => {}, { interval: decimal(0) });
    const whole = cover(made);
    expect(found(whole)).toEqual([]);
    expect(whole.stream.total).toMatchObject({ expected: null, received: PERIOD_SAMPLES });
    const one = made.meter.made[40];
    if (one !== undefined) one.held = false;
    const covered = cover(made);
    expect(found(covered)).toEqual(["missing 1"]);
    expect(covered.stream.days.map(({ colour }) => colour)).toEqual(["green", "red", "green"]);
  });
});

describe("days of 23 and 25 hours", () => {
  test.for([
    ["2026-03-28", "2026-03-31", [96, 92, 96]],
    ["2026-10-24", "2026-10-27", [96, 100, 96]],
  ] as const)("%s to %s", ([fromDay, toDay, expected]) => {
    const offsets = fromDay.includes("-03-")
      ? (["+01:00", "+02:00"] as const)
      : (["+02:00", "+01:00"] as const);
    const [from, to] = [at(`${fromDay}T00:00:00${offsets[0]}`), at(`${toDay}T00:00:00${offsets[1]}`)];
    const made = new FactsTown(from - 5 * HOUR_S);
    for (let hourS = from - 4 * HOUR_S; hourS <= to + 4 * HOUR_S; hourS += HOUR_S) made.hour(hourS);
    const { stream, all } = cover(made, { from, to });
    expect(all).toEqual([]);
    expect(stream.days.map((day) => day.expected)).toEqual(expected);
    expect(stream.days.map((day) => day.received)).toEqual(expected);
  });
});

const upwards = (a: number, b: number): number => a - b;

test("what is held and what is missing is what was spent, whatever is missing and why", () => {
  let seed = 7;
  const throws = (sides: number): number => {
    seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
    return Math.floor((seed / 2 ** 32) * sides);
  };
  for (let round = 0; round < 20; round++) {
    const made = town((hourS, one) => {
      if (throws(20) === 0) one.reopen(hourS - HOUR_S + 60);
    });
    for (const { sub, made: all, ch } of made.chains) {
      if (sub === "sys") continue;
      for (const one of all) {
        const dice = throws(12);
        if (dice < 3) one.held = false;
        if (dice === 0)
          made.withheld.push({ ch, first: one.seq, last: one.seq, why: "not-handed-over", by: null });
        if (dice === 3) [one.standing, one.code] = ["bad", "signature-invalid"];
      }
    }
    const { stream, all } = cover(made, { from: START, to: END, scopes: made.scopes });
    const spent = made.chains.filter(({ sub }) => sub !== "sys").map(({ made: each }) => each.length);
    const counted = stream.chains.map(({ held, missing }) => held + totalOf(missing));
    expect(counted.toSorted(upwards)).toEqual(spent.toSorted(upwards));
    const held = made.chains.flatMap(({ sub, made: each }) =>
      sub === "sys" ? [] : each.filter((one) => one.held && one.standing === "good"),
    );
    expect(stream.chains.reduce((sum, chain) => sum + chain.held, 0)).toBe(held.length);
    const told = all.filter((one) => ["missing", "not-handed-over", "bad"].includes(one.class));
    expect(told.reduce((sum, { count }) => sum + count, 0)).toBe(
      stream.chains.reduce((sum, { missing }) => sum + totalOf(missing), 0),
    );
    expect(stream.total.received).toBe(
      new Set(held.flatMap(({ readings }) => readings.map(({ t }) => t)).filter((t) => (t ?? 0) < END * 1e6))
        .size,
    );
  }
});

test("readings without a time are counted, and of no day", () => {
  const made = town();
  const one = made.meter.made[40];
  one?.readings.push({ ...registerAt(NOON, 1), t: null, name: "history" });
  const covered = cover(made);
  expect(found(covered)).toEqual([]);
  expect(covered.stream).toMatchObject({ untimed: 1, readings: PERIOD_SAMPLES });
});

test("a device that names the last number that there is keeps nobody from a certificate", () => {
  const made = town((hourS, one) => {
    if (hourS !== NOON) return;
    const head = {
      sub: one.sub,
      ch: hashOf("nothing").slice(0, 8),
      seq: Number.MAX_SAFE_INTEGER,
      hash: hashOf("x"),
    };
    one.tell(one.sys, { kind: "heads", all: false, heads: [head] }, hourS);
  });
  const { body, all } = cover(made);
  expect(all.map((one) => one.class)).toEqual(["missing"]);
  const hash = Buffer.from(hashOf("evidence")).toString("hex");
  const result: Result<CoverageBody> = {
    v: 1,
    kind: "coverage",
    tool: { name: "tally-audit", version: "0" },
    verdict: "verified",
    findings: 1,
    log: { origin: "log.example/2026", size: 9, root: hash },
    inputs: [
      { role: "case", name: "case", sha256: hash, bytes: 1 },
      { role: "policy", name: "policy", sha256: hash, bytes: 1 },
    ],
    checks: [],
    restrictions: [],
    notProven: [],
    repeat: [],
    body,
  };
  const certificate = certificateOf(result, { from: FROM, to: TO });
  expect(decodeContent(encodeContent(certificate))).toEqual(certificate);
});

test("an interval that no clock can keep does no harm", () => {
  const made = town(() => {}, { interval: decimal(1, -6) });
  const { stream } = cover(made);
  expect(stream.total.received).toBe(PERIOD_SAMPLES);
  expect(stream.total.expected).toBeGreaterThan(QUARTER_S);
});
