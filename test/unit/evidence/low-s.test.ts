/**
 * The rule of low s, which is written down without the curve: its constant is the curve's.
 *
 * @module
 */
import { p256 } from "@noble/curves/nist.js";
import { expect, test } from "vitest";
import { isLowS } from "../../../evidence/src/signature.ts";

const HALF = p256.Point.Fn.ORDER >> 1n;

const withS = (s: bigint): Uint8Array =>
  new Uint8Array(Buffer.from("11".repeat(32) + s.toString(16).padStart(64, "0"), "hex"));

test.for([
  [0n, true],
  [1n, true],
  [HALF - 1n, true],
  [HALF, true],
  [HALF + 1n, false],
  [p256.Point.Fn.ORDER, false],
  [2n ** 256n - 1n, false],
] as const)("s = %s is low: %s", ([s, low]) => {
  expect(isLowS(withS(s))).toBe(low);
});
