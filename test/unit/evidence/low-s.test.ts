/**
 * The rule of low s, which is written down without the curve: its constant is the curve's.
 *
 * @module
 */
import { expect, test } from "vitest";
import { isLowS } from "../../../evidence/src/keys/signature.ts";

/** In decimal, as FIPS 186-4 section D.1.2.3 has it. */
const ORDER = 115792089210356248762697446949407573529996955224135760342422259061068512044369n;
const HALF = ORDER >> 1n;

const withS = (s: bigint): Uint8Array =>
  new Uint8Array(Buffer.from("11".repeat(32) + s.toString(16).padStart(64, "0"), "hex"));

test.for([
  [0n, true],
  [1n, true],
  [HALF - 1n, true],
  [HALF, true],
  [HALF + 1n, false],
  [ORDER, false],
  [2n ** 256n - 1n, false],
] as const)("s = %s is low: %s", ([s, low]) => {
  expect(isLowS(withS(s))).toBe(low);
});
