/** A proof in a receipt is read byte by byte: it must say, and refuse, what the strict decoder does. */
import { decodeCbor, toHex, type CborValue } from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { encodeProof, parseProof } from "../../../evidence/src/tree/inclusion-proof.ts";
import { codeOf } from "../../support/vectors.ts";

const pathOf = (length: number): Uint8Array[] =>
  Array.from({ length }, (_, i) => new Uint8Array(32).fill(i + 1));

/** What the bytes say by the decoder alone; undefined where they are no proof. */
function byDecoder(bytes: Uint8Array): string | undefined {
  let value: CborValue;
  try {
    value = decodeCbor(bytes, { maxBytes: 4096 });
  } catch {
    return undefined;
  }
  if (!Array.isArray(value) || value.length !== 3) return undefined;
  const [size, index, path] = value as CborValue[];
  const isCount = (one: CborValue | undefined): boolean =>
    typeof one === "number" && Number.isInteger(one) && one >= 0;
  if (!isCount(size) || !isCount(index) || !Array.isArray(path) || path.length === 0 || path.length > 64)
    return undefined;
  if (!path.every((one) => one instanceof Uint8Array && one.length === 32)) return undefined;
  return JSON.stringify([size, index, ...path.map((one) => toHex(one as Uint8Array))]);
}

function byParser(bytes: Uint8Array): string | undefined {
  let said: string | undefined;
  codeOf(() => {
    const { size, index, path } = parseProof(bytes);
    said = JSON.stringify([
      size,
      index,
      ...Array.from({ length: path.length }, (_, i) => toHex(path.at(i) ?? new Uint8Array())),
    ]);
  });
  return said;
}

describe("a proof is what was written", () => {
  const numbers = [
    0,
    1,
    23,
    24,
    255,
    256,
    65_535,
    65_536,
    0xffff_ffff,
    0x1_0000_0000,
    Number.MAX_SAFE_INTEGER,
  ];
  test.for(numbers)("of number %d", (n) => {
    const { size, index, path } = parseProof(encodeProof(n, n, pathOf(3)));
    expect([size, index, path.length, path.at(3)]).toEqual([n, n, 3, undefined]);
    expect([0, 1, 2].map((i) => path.at(i))).toEqual(pathOf(3));
  });

  test.for([1, 23, 24, 63, 64])("with %d hashes", (length) => {
    const { path } = parseProof(encodeProof(9, 8, pathOf(length)));
    expect(Array.from({ length }, (_, i) => path.at(i))).toEqual(pathOf(length));
  });

  test.for([0, 65])("with %d hashes it is refused", (length) => {
    expect(codeOf(() => void parseProof(encodeProof(9, 8, pathOf(length))))).toBe("proof-length");
  });
});

test("whatever byte is another, is missing or is added: it says what the decoder says, or is refused as there", () => {
  for (const n of [8, 300, 70_000]) {
    const bytes = encodeProof(n, n - 1, pathOf(3));
    const variants = [bytes.subarray(1), new Uint8Array([...bytes, 0])];
    for (let at = 0; at < bytes.length; at++) {
      variants.push(bytes.subarray(0, at));
      for (let byte = 0; byte < 256; byte++) variants.push(bytes.with(at, byte));
    }
    const differing = variants.filter((one) => byParser(one) !== byDecoder(one));
    expect(differing.map(toHex)).toEqual([]);
    expect(variants.filter((one) => byParser(one) !== undefined).length).toBeGreaterThan(1000);
  }
});
