import {
  consistencyPath,
  fromHex,
  hashLeaf,
  hashNode,
  isSubtree,
  toHex,
  treeRoot,
  verifyConsistency,
  verifySubtreeConsistency,
  verifySubtreeInclusion,
  type HashReader,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { describe, expect, test } from "vitest";
import { attackGrowth, everyBit, flipBit, seededBit } from "../../support/bit-flips.ts";
import { ReferenceTree } from "../../support/reference-tree.ts";
import { need } from "../../support/require.ts";
import { sharedJson } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

const tree = new ReferenceTree();
const read: HashReader = (level, index) => tree.root(index * 2 ** level, (index + 1) * 2 ** level);
const haveShared = need("shared");

/** All pairs to 64; beyond, a grid that has both sides of each power of two and of a tile's edge, and steps that fit nothing. */
function* pairs(): Generator<readonly [number, number]> {
  for (let to = 1; to <= 64; to++) for (let from = 1; from <= to; from++) yield [from, to];
  const grid = [
    1, 2, 3, 31, 37, 63, 64, 65, 74, 100, 111, 127, 128, 129, 148, 185, 192, 222, 255, 256, 257, 259, 296,
    299, 300,
  ];
  for (const to of grid) for (const from of grid) if (from <= to && to > 64) yield [from, to];
}

describe("consistency of trees", () => {
  test("paths are those of the recursive definition, and are accepted", () => {
    for (const [from, to] of pairs()) {
      const path = consistencyPath(from, to, read, nodeSha256);
      expect(path.map(toHex), `${from} to ${to}`).toEqual(tree.growth(0, from, to).map(toHex));
      verifyConsistency(from, tree.root(0, from), to, tree.root(0, to), path, nodeSha256);
    }
  });

  test("no single-bit change of a root or the path is accepted", () => {
    for (const [from, to] of pairs()) {
      const growth = {
        size1: from,
        root1: tree.root(0, from),
        size2: to,
        root2: tree.root(0, to),
        path: tree.growth(0, from, to),
      };
      attackGrowth(growth, to <= 20 ? everyBit : seededBit(from * 512 + to), nodeSha256);
    }
  });

  test.skipIf(!haveShared)("the 36 published paths", () => {
    type Growth = { readonly size1: number; readonly size2: number; readonly path: string[] };
    const facts = sharedJson("vectors/facts/facts.json") as {
      merkleHash: { tree: { leafHashes: string[]; rootsBySize: string[] }; consistency: { paths: Growth[] } };
    };
    const { tree: published, consistency } = facts.merkleHash;
    const leaf = (i: number): Uint8Array => fromHex(published.leafHashes[i] ?? "");
    const root = (size: number): Uint8Array => fromHex(published.rootsBySize[size] ?? "");
    const node: HashReader = (level, i) =>
      level === 0 ? leaf(i) : hashNode(node(level - 1, 2 * i), node(level - 1, 2 * i + 1));
    expect(consistency.paths).toHaveLength(36);
    for (const { size1, size2, path } of consistency.paths) {
      expect(consistencyPath(size1, size2, node).map(toHex)).toEqual(path);
      verifyConsistency(size1, root(size1), size2, root(size2), path.map(fromHex));
    }
  });

  test.for([
    [0, 0],
    [0, 7],
    [7, 6],
    [-1, 7],
    [1.5, 7],
    [1, Number.NaN],
    [1, 2 ** 53],
    [2 ** 53, 2 ** 53],
  ] as const)("from %d to %d: proof-index", ([from, to]) => {
    const root = tree.root(0, 7);
    expect(codeOf(() => verifyConsistency(from, root, to, root, []))).toBe("proof-index");
    expect(codeOf(() => consistencyPath(from, to, read))).toBe("proof-index");
  });

  test("wrong lengths and roots", () => {
    const [root6, root7] = [tree.root(0, 6), tree.root(0, 7)];
    const path = tree.growth(0, 6, 7);
    const code = (root1: Uint8Array, root2: Uint8Array, hashes: readonly Uint8Array[]): string =>
      codeOf(() => verifyConsistency(6, root1, 7, root2, hashes));
    expect(code(root6, root7, path)).toBe("accepted");
    expect(code(root6, root7, [])).toBe("proof-length");
    expect(code(root6, root7, path.slice(0, -1))).toBe("proof-length");
    expect(code(root6, root7, [...path, root7])).toBe("proof-length");
    expect(code(root6, root7, path.with(0, new Uint8Array(31)))).toBe("proof-length");
    expect(code(new Uint8Array(12), root7, path)).toBe("proof-length");
    expect(code(root6, new Uint8Array(0), path)).toBe("proof-length");
    expect(code(root7, root6, path)).toBe("proof-root");
    expect(codeOf(() => verifyConsistency(7, root7, 7, root7, []))).toBe("accepted");
    expect(codeOf(() => verifyConsistency(7, root7, 7, root6, []))).toBe("proof-root");
    expect(codeOf(() => verifyConsistency(7, root7, 7, root7, [root7]))).toBe("proof-length");
  });

  test("sizes beyond 32 bits", () => {
    const levels = [hashLeaf(new Uint8Array())];
    for (let level = 0; level < 53; level++) {
      const below = levels[level] ?? expect.unreachable();
      levels.push(hashNode(below, below));
    }
    const uniform: HashReader = (level) => levels[level] ?? expect.unreachable();
    const sizes = [1, 2 ** 31 + 5, 2 ** 32, 2 ** 32 + 1, 2 ** 45 - 1, 2 ** 52, 2 ** 53 - 2, 2 ** 53 - 1];
    for (const to of sizes) {
      for (const from of sizes.filter((size) => size <= to)) {
        const path = consistencyPath(from, to, uniform);
        verifyConsistency(from, treeRoot(from, uniform), to, treeRoot(to, uniform), path);
      }
    }
  });
});

describe("subtrees", () => {
  const subtreesOf = (size: number): { start: number; end: number }[] => {
    const all = [];
    for (let start = 0; start < size; start++)
      for (let end = start + 1; end <= size; end++) all.push({ start, end });
    return all.filter(isSubtree);
  };

  test("which ranges are subtrees", () => {
    expect(isSubtree({ start: 0, end: 5 })).toBe(true);
    expect(isSubtree({ start: 4, end: 7 })).toBe(true);
    expect(isSubtree({ start: 8, end: 13 })).toBe(true);
    expect(isSubtree({ start: 4, end: 9 })).toBe(false);
    expect(isSubtree({ start: 3, end: 5 })).toBe(false);
    expect(isSubtree({ start: 3, end: 3 })).toBe(false);
    expect(isSubtree({ start: 4, end: 3 })).toBe(false);
    expect(isSubtree({ start: 0, end: 2 ** 53 - 1 })).toBe(true);
    expect(isSubtree({ start: 0, end: 2 ** 53 })).toBe(false);
    expect(isSubtree({ start: -4, end: 0 })).toBe(false);
  });

  test("all subtrees of all trees to 40 leaves: inclusion of each leaf, consistency, one changed bit of each", () => {
    for (let size = 1; size <= 40; size++) {
      const root = tree.root(0, size);
      for (const subtree of subtreesOf(size)) {
        const { start, end } = subtree;
        const part = tree.root(start, end);
        const path = tree.growth(start, end, size);
        verifySubtreeConsistency(subtree, part, size, root, path, nodeSha256);
        const bit = (start * 41 + end * 7 + size) % 256;
        const code = (known: Uint8Array, whole: Uint8Array, hashes: readonly Uint8Array[]): string =>
          codeOf(() => verifySubtreeConsistency(subtree, known, size, whole, hashes, nodeSha256));
        expect(code(flipBit(part, bit), root, path)).toBe("proof-root");
        expect(code(part, flipBit(root, bit), path)).toBe("proof-root");
        expect(code(part, root, [...path, root])).toBe("proof-length");
        const [first] = path;
        if (first === undefined) continue;
        expect(code(part, root, path.with(0, flipBit(first, bit)))).toBe("proof-root");
        expect(code(part, root, path.slice(1))).not.toBe("accepted");
      }
    }
    for (const subtree of subtreesOf(40)) {
      const { start, end } = subtree;
      for (let index = start; index < end; index++) {
        const leaf = tree.root(index, index + 1);
        const path = tree.path(index, start, end);
        verifySubtreeInclusion(leaf, index, subtree, path, tree.root(start, end), nodeSha256);
      }
    }
  });

  test("what is no subtree, or not in the tree, is refused by its numbers", () => {
    const hash = tree.root(0, 1);
    const consistent = (start: number, end: number, size: number): string =>
      codeOf(() => verifySubtreeConsistency({ start, end }, hash, size, hash, []));
    for (const [start, end, size] of [
      [3, 5, 8],
      [4, 3, 8],
      [0, 9, 8],
      [9, 9, 8],
      [-1, -1, 8],
      [0.5, 0.5, 8],
      [0, 1, Number.NaN],
      [0, 2 ** 53, 2 ** 53],
    ] as const) {
      expect(consistent(start, end, size), `${start} ${end} ${size}`).toBe("proof-index");
    }
    const included = (index: number, start: number, end: number): string =>
      codeOf(() => verifySubtreeInclusion(hash, index, { start, end }, [], hash));
    expect(included(4, 4, 5)).toBe("accepted");
    for (const [index, start, end] of [
      [3, 4, 5],
      [5, 4, 5],
      [4.5, 4, 6],
      [4, 3, 5],
      [4, 4, 4],
    ] as const) {
      expect(included(index, start, end)).toBe("proof-index");
    }
  });
});
