import { expect, test } from "vitest";
import { jsonText, resultText, type Result } from "../../../audit/src/result.ts";

const RESULT: Result = {
  v: 1,
  kind: "coverage",
  tool: { name: "tally-audit", version: "0.1.0" },
  verdict: "restricted",
  findings: 2,
  log: { origin: "log.example/2026", size: 7, root: "00" },
  inputs: [{ role: "case", name: "case", sha256: "11", bytes: 12 }],
  checks: [{ name: "receipts", result: "not-done", code: "no-witness", reason: "none" }],
  restrictions: ["no-witness"],
  notProven: ["sensor-truth"],
  repeat: ["tally-audit", "coverage", "case"],
  body: { b: 1, a: [] },
};

/** The same members, each object's in the opposite order. */
const turned = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(turned)
    : typeof value === "object" && value !== null
      ? Object.fromEntries(
          Object.entries(value)
            .toReversed()
            .map(([name, one]) => [name, turned(one)]),
        )
      : value;

test("a result has one text, whatever order its members were set in", () => {
  const other = { ...(turned(RESULT) as Result), body: RESULT.body };
  expect(Object.keys(other)[0]).toBe("body");
  expect(resultText(other)).toBe(resultText(RESULT));
  expect(JSON.parse(resultText(RESULT))).toEqual(RESULT);
  expect(resultText(RESULT).split("\n").slice(0, 3)).toEqual(["{", '  "v": 1,', '  "kind": "coverage",']);
  expect(resultText(RESULT).endsWith("}\n")).toBe(true);
});

test.for([
  ["a hole", { a: undefined }],
  ["not a number", { a: [NaN] }],
  ["minus zero", { a: -0 }],
  ["a large number", { a: 1n }],
  ["a date", { a: new Date(0) }],
  ["a map", { a: new Map() }],
  ["bytes", { a: new Uint8Array(1) }],
  ["a member that would move to the front", { "7": 1 }],
] as const)("%s is no part of a result", ([, value]) => {
  expect(() => jsonText(value)).toThrow(TypeError);
});
