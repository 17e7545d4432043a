/**
 * What coverage says of what is missing: planted alone, found alone, and never more than was spent.
 *
 * @module
 */
import { decimal, type Scope } from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { coverFacts } from "../../../audit/src/coverage/cover.ts";
import { totalOf } from "../../../audit/src/coverage/numbers.ts";
import {
  VIENNA,
  FROM,
  TO,
  START,
  END,
  NOON,
  found,
  onlyOf,
  PERIOD_SAMPLES,
  town,
  cover,
} from "../../support/coverage-desk.ts";
import { type FactsTown, hashOf, HOUR_S } from "../../support/facts-town.ts";

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
