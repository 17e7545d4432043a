/**
 * What coverage says of when: late, out of order, silent, with clocks that leap and days of 23 and 25 hours.
 *
 * @module
 */
import { decimal } from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { at, NOON, found, onlyOf, PERIOD_SAMPLES, town, cover } from "../../support/coverage-desk.ts";
import { FactsTown, HOUR_S, QUARTER_S, registerAt } from "../../support/facts-town.ts";

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

test("readings without a time are counted, and of no day", () => {
  const made = town();
  const one = made.meter.made[40];
  one?.readings.push({ ...registerAt(NOON, 1), t: null, name: "history" });
  const covered = cover(made);
  expect(found(covered)).toEqual([]);
  expect(covered.stream).toMatchObject({ untimed: 1, readings: PERIOD_SAMPLES });
});

test("an interval that no clock can keep does no harm", () => {
  const made = town(() => {}, { interval: decimal(1, -6) });
  const { stream } = cover(made);
  expect(stream.total.received).toBe(PERIOD_SAMPLES);
  expect(stream.total.expected).toBeGreaterThan(QUARTER_S);
});
