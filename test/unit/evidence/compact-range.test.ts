import { CompactRange, rightEdge, toHex, treeRoot, type HashReader } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { expect, test } from "vitest";
import { ReferenceTree } from "../../support/reference-tree.ts";
import { codeOf } from "../../support/vectors.ts";

const LARGEST = 600;
const tree = new ReferenceTree();
const leaf = (i: number): Uint8Array => tree.root(i, i + 1);
const read: HashReader = (level, index) => tree.root(index * 2 ** level, (index + 1) * 2 ** level);

test("grown leaf by leaf: the root of each size, and each full subtree told once, children first", () => {
  const told = new Map<string, string>();
  const onNode = (level: number, index: number, hash: Uint8Array): void => {
    const name = `${level}/${index}`;
    expect(told.has(name), name).toBe(false);
    if (level > 0) {
      expect(told.has(`${level - 1}/${2 * index}`) && told.has(`${level - 1}/${2 * index + 1}`)).toBe(true);
    }
    told.set(name, toHex(hash));
  };
  const range = new CompactRange({ onNode, hash: nodeSha256 });
  for (let size = 0; size < LARGEST; size++) {
    expect(range.size).toBe(size);
    expect(toHex(range.root())).toBe(toHex(tree.root(0, size)));
    range.append(leaf(size));
  }
  let full = 0;
  for (let level = 0; 2 ** level <= LARGEST; level++) {
    for (let index = 0; (index + 1) * 2 ** level <= LARGEST; index++) {
      expect(told.get(`${level}/${index}`)).toBe(toHex(read(level, index)));
      full++;
    }
  }
  expect(told.size).toBe(full);
});

test("resumed from any size by its right edge, it goes on as if it had never stopped", () => {
  for (let size = 0; size <= 300; size++) {
    const edge = rightEdge(size).map(({ level, index }) => read(level, index));
    const told: string[] = [];
    const range = new CompactRange({
      from: { size, edge },
      onNode: (level, index, hash) => told.push(`${level}/${index} ${toHex(hash)}`),
      hash: nodeSha256,
    });
    expect(toHex(range.root())).toBe(toHex(tree.root(0, size)));
    expect(range.edge.map(toHex)).toEqual(edge.map(toHex));
    range.append(leaf(size));
    expect(range.size).toBe(size + 1);
    expect(toHex(range.root())).toBe(toHex(treeRoot(size + 1, read, nodeSha256)));
    // The nodes that end where the new leaf ends.
    const ending = rightEdge(size + 1).at(-1) ?? expect.unreachable();
    const expected = Array.from({ length: ending.level + 1 }, (_, level) => {
      const index = Math.floor(size / 2 ** level);
      return `${level}/${index} ${toHex(read(level, index))}`;
    });
    expect(told).toEqual(expected);
  }
});

test("the edge handed out is a copy", () => {
  const range = new CompactRange();
  range.append(leaf(0));
  const { edge } = range;
  range.append(leaf(1));
  expect(edge.map(toHex)).toEqual([toHex(leaf(0))]);
});

test("refused: what is no edge of the size, and what is no hash", () => {
  const from = (size: number, edge: readonly Uint8Array[]): string =>
    codeOf(() => new CompactRange({ from: { size, edge } }));
  expect(from(3, [leaf(0), leaf(1)])).toBe("accepted");
  expect(from(3, [leaf(0)])).toBe("proof-length");
  expect(from(0, [leaf(0)])).toBe("proof-length");
  expect(from(1, [new Uint8Array(31)])).toBe("proof-length");
  for (const size of [-1, 0.5, 2 ** 53, Number.NaN]) expect(from(size, [])).toBe("proof-index");
  expect(codeOf(() => new CompactRange().append(new Uint8Array(33)))).toBe("proof-length");
  const size = Number.MAX_SAFE_INTEGER;
  const largest = new CompactRange({ from: { size, edge: rightEdge(size).map(() => leaf(0)) } });
  expect(codeOf(() => largest.append(leaf(0)))).toBe("proof-index");
});
