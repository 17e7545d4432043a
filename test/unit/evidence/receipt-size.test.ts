/**
 * The path of an entry does not authenticate the tree's size: the receipt's signed claim does. Every single-bit change of either is refused.
 *
 * @module
 */
import {
  CompactRange,
  encodeCbor,
  encodeSign1,
  hashLeaf,
  inclusionPath,
  isEvidenceError,
  nobleSigner,
  parseReceipt,
  sha256,
  signBatch,
  verifyReceipt,
  type HashReader,
  type SignedBatch,
  type Signer,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { describe, expect, test } from "vitest";

const LARGEST = 300;
/** Up to here all bits are tried, beyond one seeded bit a proof. */
const ALL_BITS = 40;
/** A safe integer has 53. */
const BITS = 53;

const entryOf = (index: number): Uint8Array => sha256(Uint8Array.of(index & 255, index >> 8));
const nodes = new Map<string, Uint8Array>();
const range = new CompactRange({
  onNode: (level, index, hash) => nodes.set(`${level} ${index}`, hash),
  hash: nodeSha256,
});
const rootAt: Uint8Array[] = [];
for (let size = 1; size <= LARGEST; size++) {
  range.append(hashLeaf(entryOf(size - 1), nodeSha256));
  rootAt[size] = range.root();
}
const read: HashReader = (level, index) => nodes.get(`${level} ${index}`) ?? new Uint8Array();

const signer: Signer = nobleSigner(sha256(Uint8Array.of(1)));
const provider = createNodeProvider();

const batchOf = (size: number, claimed = size): Promise<SignedBatch> =>
  signBatch(
    {
      origin: "log.example/2026",
      timeUnixS: 1_790_000_000,
      size: claimed,
      registry: { count: 1, last: sha256(Uint8Array.of(2)) },
      keysRoot: sha256(Uint8Array.of(3)),
    },
    rootAt[size] ?? new Uint8Array(),
    signer,
  );

/** The receipt of one entry with a proof that says `proofSize`. */
function receiptOf(
  batch: SignedBatch,
  index: number,
  path: readonly Uint8Array[],
  proofSize: number,
): Uint8Array {
  const proof = encodeCbor([proofSize, index, path]);
  return encodeSign1({
    protectedBytes: batch.protectedBytes,
    unprotected: new Map([[396, new Map([[-1, [proof]]])]]),
    payload: null,
    signature: batch.signature,
  });
}

const flipped = (n: number, bit: number): number => Number(BigInt(n) ^ (1n << BigInt(bit)));
const seededBit = (size: number, index: number): number => (size * 7 + index * 13) % BITS;
const bitsOf = (size: number, index: number): readonly number[] =>
  size <= ALL_BITS ? Array.from({ length: BITS }, (_, bit) => bit) : [seededBit(size, index)];

const codeOf = (work: () => unknown): string => {
  try {
    work();
    return "accepted";
  } catch (error) {
    if (isEvidenceError(error)) return error.code;
    throw error;
  }
};

describe("the size in a proof", () => {
  test.for([2, 3, 7, 8, 40, 255, 256, 257, LARGEST])(
    "tree of %i: unchanged, each receipt is good",
    async (size) => {
      const batch = await batchOf(size);
      for (const index of new Set([0, 1, size >> 1, size - 1])) {
        const receipt = parseReceipt(
          receiptOf(batch, index, inclusionPath(index, size, read, nodeSha256), size),
        );
        expect(verifyReceipt(receipt, [entryOf(index)], signer.key, provider, nodeSha256).indexes).toEqual([
          index,
        ]);
      }
    },
  );

  test("with any one bit changed, it is not the signed size", async () => {
    const codes = new Set<string>();
    for (let size = 2; size <= LARGEST; size++) {
      const batch = await batchOf(size);
      for (let index = 0; index < size; index++) {
        const path = inclusionPath(index, size, read, nodeSha256);
        for (const bit of bitsOf(size, index)) {
          codes.add(codeOf(() => parseReceipt(receiptOf(batch, index, path, flipped(size, bit)))));
        }
      }
    }
    expect([...codes]).toEqual(["receipt-size"]);
  });
});

test("a changed signed size is no longer what the log signed", async () => {
  for (let size = 2; size <= ALL_BITS; size++) {
    const batch = await batchOf(size);
    const path = inclusionPath(0, size, read, nodeSha256);
    for (let bit = 0; bit < BITS; bit++) {
      const claimed = flipped(size, bit);
      const forged = await batchOf(size, claimed);
      const bytes = receiptOf({ ...forged, signature: batch.signature }, 0, path, claimed);
      const code = codeOf(() =>
        verifyReceipt(parseReceipt(bytes), [entryOf(0)], signer.key, provider, nodeSha256),
      );
      expect(["receipt-size", "proof-length", "signature-invalid"]).toContain(code);
    }
  }
});
