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
  type CborKey,
  type CborMap,
  type CborValue,
} from "@tallystick/evidence";
import { Decoder } from "cbor-x";
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

/** The digits of the shortest text of a double, as the RFC's JSON has them. */
const exact = (value: unknown): CborValue =>
  typeof value === "number" ? parseDecimal(String(value)) : (value as CborValue);

/** The pack with each float as the decimal of its shortest text, and without the bver 5 of the RFC's example. */
function inOurTerms(bytes: Uint8Array): Uint8Array {
  const records = new Decoder({ mapsAsObjects: false, useRecords: false }).decode(bytes) as Map<
    CborKey,
    unknown
  >[];
  return encodeCbor(
    records.map((record): CborMap => {
      const fields = [...record]
        .filter(([label]) => label !== -1)
        .map(([label, value]) => [label, exact(value)] as const);
      return new Map(fields);
    }),
  );
}

describe.skipIf(!haveShared)("RFC 8428", () => {
  test.for(vectors)("$name: resolved to the digit", ({ name, cbor, resolved }) => {
    const base = baseNames.get(name) ?? "";
    const ours = inOurTerms(fromHex(cbor));
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
