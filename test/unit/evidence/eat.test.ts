/** Boot evidence: one form, both ways, and nothing that the profile doesn't have. The refusals are in the vectors. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  decodeCbor,
  decodeEat,
  encodeCbor,
  encodeEat,
  isEvidenceError,
  type CborMap,
} from "@tallystick/evidence";
import { BOOT_EVIDENCE } from "../../support/statements.ts";

test("what is written is read again, with and without what may be absent", () => {
  const { machine: _machine, token: _token, ...least } = BOOT_EVIDENCE;
  for (const evidence of [BOOT_EVIDENCE, { ...least, layers: {} }]) {
    const bytes = encodeEat(evidence);
    expect(decodeEat(bytes)).toEqual(evidence);
    expect(encodeEat(decodeEat(bytes))).toEqual(bytes);
  }
});

test("one start costs few bytes on the air", () => {
  expect(encodeEat(BOOT_EVIDENCE).length).toBeLessThan(320);
});

test("whatever else the map holds is refused, and whatever bytes come, with a code", () => {
  const map = decodeCbor(encodeEat(BOOT_EVIDENCE), { maxBytes: 4096 }) as CborMap;
  fc.assert(
    fc.property(fc.oneof(fc.integer(), fc.string()), fc.integer(), (label, value) => {
      fc.pre(!map.has(label));
      expect(codeOf(encodeCbor(new Map(map).set(label, value)))).toBe("unknown-member");
    }),
  );
  const good = encodeEat(BOOT_EVIDENCE);
  fc.assert(
    fc.property(fc.nat(good.length - 1), fc.nat(255), (at, byte) => {
      const bytes = good.with(at, byte);
      const code = codeOf(bytes);
      if (code === "good") expect(encodeEat(decodeEat(bytes))).toEqual(bytes);
    }),
    { numRuns: 2000 },
  );
});

function codeOf(bytes: Uint8Array): string {
  try {
    decodeEat(bytes);
    return "good";
  } catch (error) {
    if (isEvidenceError(error)) return error.code;
    throw error;
  }
}
