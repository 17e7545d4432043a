import { decimal, encodePack, type Reading } from "@tallystick/evidence";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CAUSES, type Cause, type CoverageBody } from "../../../audit/src/coverage/body.ts";
import { DayCounts } from "../../../audit/src/coverage/counts.ts";
import { Days, showMicros } from "../../../audit/src/coverage/moments.ts";
import { explain, totalOf, within, type Said } from "../../../audit/src/coverage/numbers.ts";
import { momentsOf, Samples } from "../../../audit/src/coverage/samples.ts";
import { coverageText } from "../../../audit/src/coverage/text.ts";
import type { Result } from "../../../audit/src/result.ts";
import { Zone } from "../../../audit/src/zone.ts";
import { samplesOf } from "../../../evidence/src/chains/samples.ts";

const VIENNA = new Zone("Europe/Vienna");
const at = (text: string): number => Date.parse(text) / 1000;

describe("why numbers are missing", () => {
  const MOST = 40;
  const range = fc
    .tuple(fc.nat({ max: MOST }), fc.nat({ max: 6 }))
    .map(([from, length]) => ({ from, to: Math.min(MOST, from + length) }));
  const said: fc.Arbitrary<Said> = fc
    .tuple(range, fc.constantFrom("bad", "not-handed-over", "erased", "told"))
    .map(([one, cause]) => ({ ...one, cause: cause as Cause, why: cause }));

  test("each missing number is in one part, under the first cause that anybody says of it", () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.nat({ max: MOST })), fc.array(said), (numbers, words) => {
        const sorted = numbers.toSorted((a, b) => a - b);
        const missing = sorted.map((one) => ({ from: one, to: one }));
        const parts = explain(missing, words);
        const counted = parts.flatMap(({ from, to, cause }) =>
          Array.from({ length: to - from + 1 }, (_, i) => [from + i, cause] as const),
        );
        const expected = sorted.map((one) => {
          const causes = words.filter(({ from, to }) => from <= one && one <= to).map(({ cause }) => cause);
          return [one, CAUSES.find((cause) => causes.includes(cause)) ?? "unexplained"] as const;
        });
        expect(counted).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });

  test("parts within a range are cut at its ends", () => {
    expect(
      within(
        [
          { from: 1, to: 5 },
          { from: 7, to: 9 },
          { from: 11, to: 12 },
        ],
        4,
        8,
      ),
    ).toEqual([
      { from: 4, to: 5 },
      { from: 7, to: 8 },
    ]);
  });
});

describe("the days of a period", () => {
  test("an instant is in the day whose edges hold it", () => {
    const [from, to] = [at("2026-10-24T10:00:00+02:00"), at("2026-10-27T09:00:00+01:00")];
    const days = new Days(VIENNA, from, to);
    expect(days.all.map(({ label }) => label)).toEqual([
      "2026-10-24",
      "2026-10-25",
      "2026-10-26",
      "2026-10-27",
    ]);
    fc.assert(
      fc.property(fc.integer({ min: from * 1_000_000, max: to * 1_000_000 - 1 }), (us) => {
        const [begins, ends] = days.edgesOf(days.indexOf(us));
        expect(begins <= us && us < ends).toBe(true);
      }),
    );
    expect(days.meeting(0, from * 1_000_000 - 1)).toBeUndefined();
    expect(days.meeting(to * 1_000_000, Infinity)).toBeUndefined();
    expect(days.meeting(-Infinity, Infinity)).toEqual([0, 3]);
  });

  test("what was due between two moments is counted once in all, however many days lie between", () => {
    const [from, to] = [at("2026-10-01T00:00:00+02:00"), at("2026-11-01T00:00:00+01:00")];
    const inside = fc.integer({ min: from, max: to - 1 });
    fc.assert(
      fc.property(inside, inside, fc.integer({ min: 1, max: 5000 }), (a, b, samples) => {
        if (a === b) return;
        const counts = new DayCounts(new Days(VIENNA, from, to));
        const [first, last] = [Math.min(a, b) * 1_000_000, Math.max(a, b) * 1_000_000];
        expect(counts.missing(first, last, samples, "told")).toBe(samples);
        expect(counts.total().missing.told).toBe(samples);
        const sum = counts.days(VIENNA).reduce((total, { missing }) => total + totalOf(missing), 0);
        expect(sum).toBe(samples);
      }),
    );
  });

  test("instants are shown with the fraction that they have", () => {
    expect(showMicros(VIENNA, 1_792_888_200_000_000)).toBe("2026-10-25T02:30:00+02:00");
    expect(showMicros(VIENNA, 1_792_891_800_120_000)).toBe("2026-10-25T02:30:00.12+01:00");
    expect(showMicros(VIENNA, -8_640_000_000_000_000)).toBe("1696-03-17T00:00:00Z");
  });
});

describe("samples", () => {
  const reading = fc.record({
    name: fc.constantFrom("a", "b", "c"),
    t: fc.option(fc.integer({ min: 1_790_000_000, max: 1_790_000_005 }), { nil: null }),
    rx: fc.option(fc.integer({ min: 1_790_000_000, max: 1_790_000_003 }), { nil: null }),
  });

  test("of a statement are those that the evidence package finds in it", () => {
    fc.assert(
      fc.property(fc.array(reading, { minLength: 1, maxLength: 8 }), (some) => {
        // A time of arrival stands only beside a time of the device's own.
        const rows = some.map(({ name, t, rx }) => ({ name, t, rx: t === null ? null : rx }));
        const readings = rows.map(({ name, t, rx }): Reading => ({
          name,
          unit: "kWh",
          value: { v: decimal(1) },
          time: t === null ? null : decimal(t),
          quality: t === null ? ["no-zone"] : [],
          ...(rx === null ? {} : { received: decimal(rx) }),
        }));
        const payload = encodePack("water/gw-1/meter/m-1/", readings);
        const claims = { iss: "water/gw-1", sub: "meter/m-1", seq: 1, tq: 2, lvl: 1 } as const;
        const { samples } = samplesOf({ claims, content: { type: "senml", payload } });
        const ours = momentsOf(
          rows.map(({ name, t, rx }) => ({
            statement: 1,
            name,
            q: "",
            t: t === null ? null : t * 1_000_000,
            rx: rx === null ? null : rx * 1_000_000,
          })),
        );
        expect(ours).toEqual(
          samples.map(({ at: time, clock }) => ({
            us: Number(time.mantissa) * 10 ** time.exponent * 1_000_000,
            device: clock === "device",
          })),
        );
      }),
    );
  });

  test("come back in the order of time, each moment once", () => {
    fc.assert(
      fc.property(fc.array(fc.nat({ max: 3000 }), { maxLength: 4000 }), (moments) => {
        const samples = new Samples();
        for (const us of moments) samples.add({ us, device: us % 2 === 1 }, us % 7);
        const found = [...samples.inOrder()];
        expect(found.map(({ us }) => us)).toEqual([...new Set(moments)].toSorted((a, b) => a - b));
        for (const { us, device, chain } of found) expect([device, chain]).toEqual([us % 2 === 1, us % 7]);
      }),
      { numRuns: 30 },
    );
  });
});

test("what a stream is called can't steer a terminal", () => {
  const body: CoverageBody = {
    zone: "UTC",
    from: "a",
    to: "b",
    lateAfterS: 1,
    streams: [],
    devices: [],
    counts: [{ class: "missing", weight: "fault", count: 1 }],
    findings: [
      {
        class: "missing",
        iss: "water/gw-1",
        sub: "m",
        ch: null,
        seqs: null,
        from: null,
        to: null,
        count: 1,
        name: null,
        says: "\u001b[2Jgone",
      },
    ],
  };
  const result: Result<CoverageBody> = {
    v: 1,
    kind: "coverage",
    tool: { name: "tally-audit", version: "0" },
    verdict: "verified",
    findings: 1,
    log: { origin: "o", size: 1, root: "" },
    inputs: [],
    checks: [],
    restrictions: [],
    notProven: [],
    repeat: [],
    body,
  };
  const text = coverageText(result, "case");
  expect(text).not.toContain("\u001b");
  expect(text).toContain("gone");
});
