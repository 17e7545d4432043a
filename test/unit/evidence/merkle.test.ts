import {
  emptyRoot,
  fromHex,
  hashLeaf,
  hashNode,
  inclusionPath,
  rightEdge,
  rootFromInclusion,
  toHex,
  treeRoot,
  verifyInclusion,
  type HashReader,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { describe, expect, test } from "vitest";
import { attackInclusion, everyBit, seededBit } from "../../support/bit-flips.ts";
import { entryOf, ReferenceTree } from "../../support/reference-tree.ts";
import { need } from "../../support/require.ts";
import { sharedJson } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

const LARGEST = 300;
const EXHAUSTIVE = 40;

const tree = new ReferenceTree();
const read: HashReader = (level, index) => tree.root(index * 2 ** level, (index + 1) * 2 ** level);

const haveShared = need("shared");

type Facts = {
  readonly merkleHash: {
    readonly source: string;
    readonly constants: readonly Readonly<Record<string, string>>[];
    readonly tree: {
      readonly leafInputs: string[];
      readonly leafHashes: string[];
      readonly rootsBySize: string[];
    };
    readonly inclusion: { readonly paths: readonly { size: number; index: number; path: string[] }[] };
  };
};

describe.skipIf(!haveShared)("published constants of the tree", () => {
  const facts = haveShared ? (sharedJson("vectors/facts/facts.json") as Facts).merkleHash : undefined;
  const constant = (name: string): string =>
    facts?.constants.find((one) => one["name"] === name)?.["value"] ?? "";
  const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

  test("empty tree, leaf, node", () => {
    expect(toHex(emptyRoot())).toBe(constant("empty tree"));
    expect(toHex(hashLeaf(new Uint8Array()))).toBe(constant("leaf hash of the empty entry"));
    expect(toHex(hashLeaf(ascii("L123456")))).toBe(constant("leaf hash"));
    expect(toHex(hashNode(ascii("N123"), ascii("N456")))).toBe(constant("node hash"));
  });

  test("eight leaves: leaf hashes, nine roots, 36 paths", () => {
    const { tree: published, inclusion } = facts ?? expect.unreachable();
    const leaves = published.leafInputs.map((input) => hashLeaf(fromHex(input)));
    expect(leaves.map(toHex)).toEqual(published.leafHashes);
    const node: HashReader = (level, index) =>
      level === 0
        ? (leaves[index] ?? expect.unreachable())
        : hashNode(node(level - 1, 2 * index), node(level - 1, 2 * index + 1));
    expect(published.rootsBySize.map((_, size) => toHex(treeRoot(size, node)))).toEqual(
      published.rootsBySize,
    );
    expect(inclusion.paths).toHaveLength(36);
    for (const { size, index, path } of inclusion.paths) {
      expect(inclusionPath(index, size, node).map(toHex)).toEqual(path);
      const leaf = leaves[index] ?? expect.unreachable();
      verifyInclusion(leaf, index, size, path.map(fromHex), fromHex(published.rootsBySize[size] ?? ""));
    }
  });
});

describe(`all trees of 0 to ${LARGEST} leaves`, () => {
  test("roots are those of the recursive definition", () => {
    for (let size = 0; size <= LARGEST; size++) {
      expect(toHex(treeRoot(size, read, nodeSha256)), `size ${size}`).toBe(toHex(tree.root(0, size)));
    }
    expect(toHex(tree.root(7, 8))).toBe(toHex(hashLeaf(entryOf(7))));
  });

  test("every leaf's path is that of the recursive definition, and leads to the root", () => {
    for (let size = 1; size <= LARGEST; size++) {
      const root = tree.root(0, size);
      for (let index = 0; index < size; index++) {
        const path = inclusionPath(index, size, read, nodeSha256);
        const expected = tree.path(index, 0, size);
        if (path.map(toHex).join() !== expected.map(toHex).join()) expect.unreachable(`${index} in ${size}`);
        verifyInclusion(tree.root(index, index + 1), index, size, path, root, nodeSha256);
      }
    }
  });

  test(`no single-bit change of leaf, index, path or root is accepted: every bit to ${EXHAUSTIVE} leaves, one of each field beyond`, () => {
    let tried = 0;
    for (let size = 1; size <= LARGEST; size++) {
      const root = tree.root(0, size);
      for (let index = 0; index < size; index++) {
        const bits = size <= EXHAUSTIVE ? everyBit : seededBit(size * LARGEST + index);
        const path = tree.path(index, 0, size);
        tried += attackInclusion(
          { leaf: tree.root(index, index + 1), index, size, path, root },
          bits,
          nodeSha256,
        );
      }
    }
    expect(tried).toBeGreaterThan(1_500_000);
  }, 300_000); // some fifteen seconds of a core that nobody else wants
});

describe("what is refused", () => {
  const leaf = tree.root(0, 1);
  const path = tree.path(0, 0, 7);
  const root = tree.root(0, 7);
  const code = (
    change: Partial<{ leaf: Uint8Array; index: number; size: number; path: Uint8Array[]; root: Uint8Array }>,
  ): string => {
    const v = { leaf, index: 0, size: 7, path, root, ...change };
    return codeOf(() => verifyInclusion(v.leaf, v.index, v.size, v.path, v.root));
  };

  test.for([
    [7, 7],
    [0, 0],
    [-1, 7],
    [0.5, 7],
    [Number.NaN, 7],
    [0, Number.NaN],
    [0, Infinity],
    [0, -7],
    [2 ** 53, 2 ** 53 + 2],
    [0, 2 ** 53],
    [2 ** 64, 7],
  ] as const)("index %d in a tree of %d: proof-index", ([index, size]) => {
    expect(code({ index, size })).toBe("proof-index");
    expect(codeOf(() => rootFromInclusion(leaf, index, size, path))).toBe("proof-index");
    expect(codeOf(() => inclusionPath(index, size, read))).toBe("proof-index");
  });

  test("a path of another length, hashes that are none: proof-length", () => {
    expect(code({})).toBe("accepted");
    expect(code({ path: [] })).toBe("proof-length");
    expect(code({ path: path.slice(1) })).toBe("proof-length");
    expect(code({ path: [...path, root] })).toBe("proof-length");
    expect(code({ path: [...path, new Uint8Array()] })).toBe("proof-length");
    for (const bytes of [0, 9, 31, 33, 64]) {
      expect(code({ path: path.with(1, new Uint8Array(bytes)) })).toBe("proof-length");
      expect(code({ leaf: new Uint8Array(bytes) })).toBe("proof-length");
      expect(code({ root: new Uint8Array(bytes) })).toBe("proof-length");
    }
    expect(code({ size: 1, path: [], root: leaf })).toBe("accepted");
  });

  test("another root: proof-root", () => {
    expect(code({ root: leaf })).toBe("proof-root");
    expect(code({ path: path.toReversed() })).toBe("proof-root");
    expect(code({ index: 1 })).toBe("proof-root");
  });

  test("no edge of a size that is none", () => {
    for (const size of [-1, 0.5, 2 ** 53]) expect(codeOf(() => rightEdge(size))).toBe("proof-index");
  });
});

describe("sizes beyond 32 bits", () => {
  // A tree of equal leaves: a full subtree's hash depends on its level alone, so that the largest trees can be built.
  const levels = [hashLeaf(new Uint8Array())];
  for (let level = 0; level < 53; level++) {
    const below = levels[level] ?? expect.unreachable();
    levels.push(hashNode(below, below));
  }
  const uniform: HashReader = (level) => levels[level] ?? expect.unreachable();
  const largest = Number.MAX_SAFE_INTEGER;

  test.for([
    [0, largest],
    [largest - 1, largest],
    [2 ** 52, largest],
    [2 ** 32, 2 ** 32 + 1],
    [2 ** 31, 2 ** 40 + 7],
    [123_456_789_012_345, 2 ** 52],
  ] as const)("leaf %d of %d", ([index, size]) => {
    const path = inclusionPath(index, size, uniform);
    expect(path.length).toBeLessThanOrEqual(53);
    verifyInclusion(uniform(0, index), index, size, path, treeRoot(size, uniform));
    expect(codeOf(() => verifyInclusion(uniform(0, 0), index, size, path.slice(1), uniform(0, 0)))).toBe(
      "proof-length",
    );
  });
});
