/** A receipt's paths are climbed together: what comes out, and what is refused, is as if each had been climbed alone. */
import { hashLeaf, inclusionPath, rootFromInclusion, toHex, type HashReader } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { commonRoot } from "../../../evidence/src/tree/common-root.ts";
import { encodeProof, parseProof, type ReadProof } from "../../../evidence/src/tree/inclusion-proof.ts";
import { entryOf, ReferenceTree } from "../../support/reference-tree.ts";
import { codeOf } from "../../support/vectors.ts";

const tree = new ReferenceTree();
const read: HashReader = (level, index) => tree.root(index * 2 ** level, (index + 1) * 2 ** level);

const proofOf = (index: number, size: number): ReadProof =>
  parseProof(encodeProof(size, index, inclusionPath(index, size, read, nodeSha256)));

const rootOf = (size: number, indexes: readonly number[]): string => {
  const proofs = indexes.map((index) => proofOf(index, size));
  return toHex(commonRoot(proofs, indexes.map(entryOf), nodeSha256));
};

test("in every tree of up to 17 leaves, every three leaves in any order lead to its root", () => {
  for (let size = 2; size <= 17; size++) {
    const root = toHex(tree.root(0, size));
    for (let a = 0; a < size; a++)
      for (let b = 0; b < size; b++)
        for (let c = 0; c < size; c++) expect(rootOf(size, [a, b, c])).toBe(root);
  }
});

test("hundreds of neighbours are hashed about twice each, not once a level", () => {
  let hashes = 0;
  const counted = (bytes: Uint8Array): Uint8Array => {
    hashes++;
    return nodeSha256(bytes);
  };
  const proofs = Array.from({ length: 256 }, (_, i) => proofOf(i, 300));
  expect(
    toHex(
      commonRoot(
        proofs,
        proofs.map((_, i) => entryOf(i)),
        counted,
      ),
    ),
  ).toBe(toHex(tree.root(0, 300)));
  expect(hashes).toBeLessThan(256 * 3 + 10);
});

describe("a path or an entry that isn't the tree's is refused, wherever it stands", () => {
  const SIZE = 13;
  const leads = (proof: ReadProof, entry: Uint8Array): boolean => {
    try {
      const leaf = hashLeaf(entry, nodeSha256);
      const root = rootFromInclusion(leaf, proof.index, proof.size, proof.path, nodeSha256);
      return toHex(root) === toHex(tree.root(0, SIZE));
    } catch {
      return false;
    }
  };

  test("with any one bit of any hash changed", () => {
    for (const indexes of [
      [4, 5, 6],
      [6, 4, 5],
      [11, 12, 0],
    ]) {
      for (const at of indexes.keys()) {
        const bytes = encodeProof(
          SIZE,
          indexes[at] ?? 0,
          inclusionPath(indexes[at] ?? 0, SIZE, read, nodeSha256),
        );
        for (let bit = 0; bit < 8 * bytes.length; bit++) {
          const bent = bytes.slice();
          bent[bit >> 3] = (bent[bit >> 3] ?? 0) ^ (1 << (bit & 7));
          const code = codeOf(() => {
            const proofs = indexes.map((index, i) => (i === at ? parseProof(bent) : proofOf(index, SIZE)));
            commonRoot(proofs, indexes.map(entryOf), nodeSha256);
          });
          if (code === "accepted") expect(leads(parseProof(bent), entryOf(indexes[at] ?? 0))).toBe(true);
        }
      }
    }
  });

  test("with another entry, index, or a hash too few or too many", () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(SIZE - 1), { minLength: 2, maxLength: 8 }),
        fc.nat(7),
        fc.constantFrom("entry", "index", "short", "long"),
        (indexes, where, what) => {
          const at = where % indexes.length;
          const index = indexes[at] ?? 0;
          const proofs = indexes.map((one) => proofOf(one, SIZE));
          const entries = indexes.map(entryOf);
          const path = inclusionPath(index, SIZE, read, nodeSha256);
          if (what === "entry") entries[at] = entryOf(SIZE);
          if (what === "index") proofs[at] = { ...proofOf(index, SIZE), index: (index + 1) % SIZE };
          if (what === "short" && path.length > 1)
            proofs[at] = parseProof(encodeProof(SIZE, index, path.slice(0, -1)));
          if (what === "long")
            proofs[at] = parseProof(encodeProof(SIZE, index, [...path, new Uint8Array(32)]));
          const isBent = what !== "short" || path.length > 1;
          if (isBent)
            expect(codeOf(() => void commonRoot(proofs, entries, nodeSha256))).toMatch(
              /^(receipt-entry|proof-)/,
            );
        },
      ),
    );
  });

  test("without a proof, or with more than there are entries", () => {
    expect(codeOf(() => void commonRoot([], [], nodeSha256))).toBe("receipt-entry");
    expect(codeOf(() => void commonRoot([proofOf(1, 5)], [], nodeSha256))).toBe("receipt-entry");
  });

  test("where proofs are for trees of different sizes", () => {
    const proofs = [proofOf(1, 8), proofOf(1, 9)];
    expect(codeOf(() => void commonRoot(proofs, [entryOf(1), entryOf(1)], nodeSha256))).toBe("receipt-entry");
  });
});
