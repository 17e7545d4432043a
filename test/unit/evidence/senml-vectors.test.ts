/**
 * The examples of RFC 8428. Our profile refuses the packs as they are printed (they hold binary floats where a time or register must be
 * exact, and maps of another bver); said in its terms, they resolve to exactly the records that the RFC gives.
 *
 * @module
 */
import {
  checkPack,
  decodeCbor,
  decodePack,
  encodeCbor,
  Float,
  formatDecimal,
  fromHex,
  parseDecimal,
  type CborMap,
  type CborValue,
} from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { need } from "../../support/require.ts";
import { sharedJson } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

type Resolved = { readonly n: string; readonly u: string; readonly t: string; readonly v: string };
type Vector = { readonly name: string; readonly cbor: string; readonly resolved: readonly Resolved[] };

const haveShared = need("shared");
const vectors = haveShared
  ? (sharedJson("vectors/facts/facts.json") as { senml: { vectors: Vector[] } }).senml.vectors
  : [];
const baseNames = new Map([
  ["voltage and current, 7 records", "urn:dev:ow:10e2073a0108006:"],
  ["humidity and position, 13 records", "urn:dev:ow:10e2073a01080063"],
]);

/** The half-precision floats of the two examples, as this profile writes them. */
const HALVES = [
  ["f93e00", "fb3ff8000000000000"], // 1.5
  ["f94d00", "14"], // 20
  ["f95620", "1862"], // 98
] as const;

/** The pack with each float as the decimal of its shortest text, as the RFC's JSON has it, and without the bver 5 of the RFC's example. */
function inOurTerms(hex: string): Uint8Array {
  const readable = HALVES.reduce((text, [half, ours]) => text.replaceAll(half, ours), hex);
  const rules = { maxBytes: 1000, deterministic: false, floats: true };
  const records = decodeCbor(fromHex(readable), rules) as readonly CborMap[];
  return encodeCbor(
    records.map((record): CborMap => {
      const fields = [...record].filter(([label]) => label !== -1);
      return new Map(fields.map(([label, value]) => [label, exact(value)]));
    }),
  );
}

const exact = (value: CborValue): CborValue =>
  value instanceof Float ? parseDecimal(String(value.value)) : value;

describe.skipIf(!haveShared)("RFC 8428", () => {
  test.for(vectors)("$name: resolved to the digit", ({ name, cbor, resolved }) => {
    const base = baseNames.get(name) ?? "";
    const ours = inOurTerms(cbor);
    const readings = decodePack(ours, base);
    expect(checkPack(ours, base)).toEqual({ records: resolved.length, untimed: 0, frames: 0 });
    expect(
      readings.map(({ name: local, unit, time, value }) => ({
        n: base + local,
        u: unit,
        t: time === null ? null : formatDecimal(time),
        v: "v" in value && !(value.v instanceof Float) ? formatDecimal(value.v) : null,
      })),
    ).toEqual(resolved);
  });

  test.for(vectors)("$name: as printed it is no pack of this profile", ({ name, cbor }) => {
    // both use half-precision floats: one number, one encoding
    expect(codeOf(() => decodePack(fromHex(cbor), baseNames.get(name) ?? ""))).toBe("cbor-malformed");
    expect(
      codeOf(() => decodeCbor(fromHex(cbor), { maxBytes: 1000, deterministic: false, floats: true })),
    ).toBe("cbor-malformed");
  });
});
