/**
 * Receipts are written out byte by byte, because they are most of what a log sends: what comes out is what the codec would write.
 *
 * @module
 */
import { describe, expect, test } from "vitest";
import { encodeCbor, encodeReceipt, parseSign1, type SignedBatch } from "@tallystick/evidence";

const hashOf = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

const batchOf = (size: number): SignedBatch => ({
  protectedBytes: encodeCbor(new Map([[1, -19]])),
  signature: new Uint8Array(64),
  size,
});

function proofsIn(receipt: Uint8Array): unknown {
  const proofs = parseSign1(receipt, 65_536).unprotected.get(396);
  return proofs instanceof Map ? proofs.get(-1) : undefined;
}

describe("a proof in a receipt is what the codec writes", () => {
  // each width of a CBOR integer, and the numbers beside its edges
  const numbers = [1, 23, 24, 255, 256, 65_535, 65_536, 0xffff_ffff, 0x1_0000_0000, Number.MAX_SAFE_INTEGER];

  test.for(numbers)("at index and size %d", (n) => {
    const path = [hashOf(1), hashOf(2)];
    const receipt = encodeReceipt(batchOf(n), [{ index: n - 1, path }]);
    expect(proofsIn(receipt)).toEqual([encodeCbor([n, n - 1, path])]);
  });

  test.for([0, 1, 23, 24, 53, 64])("with a path of %d hashes", (length) => {
    const path = Array.from({ length }, (_, i) => hashOf(i));
    const receipt = encodeReceipt(batchOf(9), [
      { index: 8, path },
      { index: 7, path },
    ]);
    expect(proofsIn(receipt)).toEqual([encodeCbor([9, 8, path]), encodeCbor([9, 7, path])]);
  });
});

test.for([0, 31, 33])("a hash of %d bytes is refused", (length) => {
  const write = (): Uint8Array => encodeReceipt(batchOf(9), [{ index: 8, path: [new Uint8Array(length)] }]);
  expect(write).toThrow(expect.objectContaining({ code: "member-range" }));
});
