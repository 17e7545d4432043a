import {
  checkOrg,
  checkStream,
  checkStreamPattern,
  isOperator,
  MAX_STREAM,
  parseIss,
  streamAllowed,
} from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { codeOf } from "../../support/vectors.ts";

describe("iss", () => {
  test("is taken apart", () => {
    expect(parseIss("city-energy/gw-17")).toEqual({ org: "city-energy", device: "gw-17" });
    expect(parseIss(`${"a".repeat(32)}/${"b".repeat(64)}`).device).toHaveLength(64);
  });

  test.for([
    "",
    "gw-17",
    "/gw-17",
    "city/",
    "city/a/b",
    "City/gw",
    "city/gw_1",
    "city/gw.1",
    "cité/gw",
    " city/gw",
    "city/gw\n",
    `${"a".repeat(33)}/b`,
    `a/${"b".repeat(65)}`,
    "city/#",
    "+/gw",
  ])("%j is no issuer", (iss) => {
    expect(codeOf(() => parseIss(iss))).toBe("name-malformed");
  });

  test("an operator is the device of that name, and no other", () => {
    expect(isOperator("city/operator")).toBe(true);
    expect(isOperator("operator/gw-1")).toBe(false);
    expect(isOperator("city/operator-2")).toBe(false);
  });

  test("an org stands alone in a registry item", () => {
    checkOrg("city-energy");
    for (const org of ["", "*", "a/b", "A", "a".repeat(33)]) {
      expect(codeOf(() => checkOrg(org))).toBe("name-malformed");
    }
  });
});

describe("streams", () => {
  test.for([
    "sys",
    "registry",
    "meter/m-0417",
    "toll/plaza-12/lane-3",
    "a",
    "0",
    "a.b_c-d",
    "s".repeat(MAX_STREAM),
  ])("%j is one", (sub) => {
    checkStream(sub);
  });

  test.for([
    "",
    "/",
    "a/",
    "/a",
    "a//b",
    "-a",
    ".a",
    "a/_b",
    "A",
    "a b",
    "a*",
    "*",
    "a/*",
    "a+",
    "é",
    "a\u0000",
    "s".repeat(MAX_STREAM + 1),
  ])("%j is none", (sub) => {
    expect(codeOf(() => checkStream(sub))).toBe("name-malformed");
  });

  test.for(["*", "meter/*", "meter/a/*", "meter/a"])("%j may stand in an enrolment", (pattern) => {
    checkStreamPattern(pattern);
  });

  test.for(["**", "/*", "meter*", "meter/*/a", "*/a", "Meter/*", ""])("%j may not", (pattern) => {
    expect(codeOf(() => checkStreamPattern(pattern))).toBe("name-malformed");
  });

  test.for([
    [["*"], "meter/a", true],
    [["meter/*"], "meter/a", true],
    [["meter/*"], "meter/a/b", true],
    [["meter/*"], "meter", false],
    [["meter/*"], "meters/a", false],
    [["meter/*"], "water/a", false],
    [["meter/a"], "meter/a", true],
    [["meter/a"], "meter/ab", false],
    [["meter/a"], "meter/a/b", false],
    [["water/*", "meter/a"], "meter/a", true],
    [[], "meter/a", false],
    [[], "sys", true],
    [["meter/*"], "sys", true],
  ] as const)("%j covers %j: %j", ([patterns, sub, covered]) => {
    expect(streamAllowed(patterns, sub)).toBe(covered);
  });
});
