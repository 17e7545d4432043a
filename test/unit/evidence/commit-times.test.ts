import { checkTimes, Findings, type CommitTimes } from "@tallystick/evidence";
import * as fc from "fast-check";
import { expect, test } from "vitest";

const at = (size: number, ...times: readonly number[]): CommitTimes => ({
  size,
  earliestUnixS: Math.min(...times),
  latestUnixS: Math.max(...times),
});

/** The reason, where times run backwards. */
function reversed(...times: readonly CommitTimes[]): string | undefined {
  const findings = new Findings();
  findings.passed("receipts");
  checkTimes("log.example", times, findings);
  const { verdict, restrictions, checks } = findings.verdict();
  expect(restrictions).toEqual(verdict === "restricted" ? ["time-reversed"] : []);
  return checks.find(({ code }) => code === "time-reversed")?.reason;
}

test("times that rise, or stand still, are good", () => {
  expect(reversed()).toBeUndefined();
  expect(reversed(at(2, 100))).toBeUndefined();
  expect(reversed(at(2, 100), at(5, 100), at(9, 101))).toBeUndefined();
});

test("a larger tree that was there before a smaller one is told, however far apart they stand", () => {
  expect(reversed(at(2, 100), at(5, 99))).toContain("size 5");
  expect(reversed(at(2, 100), at(5, 200), at(9, 150), at(12, 300))).toContain("size 9");
  expect(reversed(at(2, 1000), at(5, 1001), at(9, 999))).toContain("size 9");
});

test("of a size with several times, each of them counts for it", () => {
  expect(reversed(at(5, 100, 5000), at(9, 200))).toBeUndefined();
  expect(reversed(at(5, 5000), at(9, 200, 5000))).toBeUndefined();
  expect(reversed(at(5, 300, 5000), at(9, 200, 299))).toContain("size 9");
});

test("it is told exactly where some pair of sizes contradicts", () => {
  const times = fc.array(fc.tuple(fc.nat(9), fc.nat(9)), { maxLength: 6 });
  fc.assert(
    fc.property(times, (pairs) => {
      const all = pairs.map(([a, b], i) => at(i + 2, a, b));
      const isReversed = all.some((one, i) =>
        all.slice(i + 1).some(({ latestUnixS }) => latestUnixS < one.earliestUnixS),
      );
      expect(reversed(...all) !== undefined).toBe(isReversed);
    }),
  );
});
