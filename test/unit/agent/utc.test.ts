import { expect, test } from "vitest";
import { inUtc } from "../../../agent/src/clock/utc.ts";

test.for([
  [0, "1970-01-01T00:00:00.000Z"],
  [8.64e15, "+275760-09-13T00:00:00.000Z"],
  [8.64e15 + 1000, "8640000000001000"],
  [-8.64e15 - 1000, "-8640000000001000"],
] as const)("%d ms, by a calendar or without one", ([unixMs, text]) => {
  expect(inUtc(unixMs)).toBe(text);
});
