import { describe, expect, test } from "vitest";
import {
  CompactRange,
  equalBytes,
  HASH_BYTES,
  inclusionPath,
  toHex,
  verifyInclusion,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { hashLeafInto, levelAbove, RightEdge, type Growth } from "../../../anchor/src/sequence/tree.ts";

/** The tree of the evidence package, which keeps every node. */
class Reference {
  readonly #nodes = new Map<string, Uint8Array>();
  readonly #range = new CompactRange({
    hash: nodeSha256,
    onNode: (level, index, hash) => this.#nodes.set(`${level} ${index}`, hash),
  });

  append(leaves: Uint8Array): void {
    for (let at = 0; at < leaves.length; at += HASH_BYTES)
      this.#range.append(leaves.slice(at, at + HASH_BYTES));
  }

  root(): Uint8Array {
    return this.#range.root();
  }

  path(index: number, size: number): string[] {
    return inclusionPath(
      index,
      size,
      (level, n) => this.#nodes.get(`${level} ${n}`) as Uint8Array,
      nodeSha256,
    ).map(toHex);
  }
}

const leavesFrom = (from: number, count: number): Uint8Array => {
  const leaves = new Uint8Array(count * HASH_BYTES);
  for (let i = 0; i < count; i++)
    leaves.set(nodeSha256(new TextEncoder().encode(String(from + i))), i * HASH_BYTES);
  return leaves;
};

/** Keeps the tiles of growths as the database does. */
class Tiles {
  readonly #rows = new Map<string, Uint8Array>();
  put({ tiles }: Growth): void {
    for (const { level, number, hashes } of tiles) this.#rows.set(`${level} ${number}`, hashes);
  }
  readonly read = (level: number, number: number, width: number): Uint8Array => {
    const hashes = this.#rows.get(`${level} ${number}`) ?? new Uint8Array();
    expect(hashes.length).toBeGreaterThanOrEqual(width * HASH_BYTES);
    return hashes.subarray(0, width * HASH_BYTES);
  };
}

describe("a tree grown in batches", () => {
  test("leaf and node hashes are those of RFC 9162", () => {
    const [left, right] = [leavesFrom(0, 1), leavesFrom(1, 1)];
    const leaf = new Uint8Array(40);
    hashLeafInto(leaf, 8, left);
    expect(toHex(leaf.subarray(8))).toBe(toHex(nodeSha256(Uint8Array.of(0, ...left))));
    const pair = Uint8Array.of(...left, ...right);
    expect(toHex(levelAbove(pair))).toBe(toHex(nodeSha256(Uint8Array.of(1, ...pair))));
    expect(toHex(levelAbove(Uint8Array.of(...pair, ...left)))).toBe(toHex(levelAbove(pair)));
  });

  test("of no leaves has the hash of nothing as its root", () => {
    expect(toHex(RightEdge.empty().root())).toBe(toHex(nodeSha256(new Uint8Array())));
  });

  test("has the root and paths of the reference, for every size to 300 in batches of 1 and 7", () => {
    for (const step of [1, 7]) {
      const reference = new Reference();
      let edge = RightEdge.empty();
      while (edge.size < 300) {
        const leaves = leavesFrom(edge.size, step);
        const growth = edge.grow(leaves);
        reference.append(leaves);
        expect(toHex(growth.root)).toBe(toHex(reference.root()));
        for (let index = growth.from; index < growth.to; index++) {
          expect(growth.path(index).map(toHex)).toEqual(reference.path(index, growth.to));
        }
        edge = growth.edge;
        expect(toHex(edge.root())).toBe(toHex(growth.root));
      }
    }
  });

  test.for([
    [0, 255, 256, 257, 511, 512, 513],
    [0, 1, 65_535, 65_536, 65_537, 65_793, 131_072],
    [0, 70_000, 70_001],
  ])("is rebuilt from its tiles at the edges %j", (sizes) => {
    const reference = new Reference();
    const tiles = new Tiles();
    let edge = RightEdge.empty();
    for (const size of sizes.slice(1)) {
      const leaves = leavesFrom(edge.size, size - edge.size);
      const growth = edge.grow(leaves);
      reference.append(leaves);
      tiles.put(growth);
      expect(toHex(growth.root)).toBe(toHex(reference.root()));
      for (const index of [growth.from, Math.floor((growth.from + size) / 2), size - 1]) {
        const at = (index - growth.from) * HASH_BYTES;
        const leaf = leaves.subarray(at, at + HASH_BYTES);
        verifyInclusion(leaf, index, size, growth.path(index), growth.root, nodeSha256);
      }
      const rebuilt = RightEdge.restore(size, tiles.read);
      expect(equalBytes(rebuilt.root(), growth.root)).toBe(true);
      expect(rebuilt.partials.map(toHex)).toEqual(growth.edge.partials.map(toHex));
      edge = rebuilt;
    }
  });

  test("gives no path for a leaf of another batch", () => {
    const growth = RightEdge.empty().grow(leavesFrom(0, 4)).edge.grow(leavesFrom(4, 4));
    expect(() => growth.path(3)).toThrow(RangeError);
    expect(() => growth.path(8)).toThrow(RangeError);
  });
});
