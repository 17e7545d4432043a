import { describe, expect, test } from "vitest";
import {
  concatBytes,
  hashLeaf,
  inclusionPath,
  parseReceipt,
  parseTransparent,
  toHex,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { Transparents } from "../../../anchor/src/reads/transparent.ts";
import { TreeNodes } from "../../../anchor/src/reads/tree-nodes.ts";
import { RightEdge } from "../../../anchor/src/sequence/tree.ts";
import { AnchorLog } from "../../support/anchor-log.ts";

const HASH_BYTES = 32;

/** A tree of `size` leaves as tiles, and its nodes by the plainest way there is. */
function treeOf(size: number) {
  const leaves = Array.from({ length: size }, (_, i) =>
    hashLeaf(nodeSha256(Buffer.from(`${i}`)), nodeSha256),
  );
  const tiles = new Map<string, Uint8Array>();
  let edge = RightEdge.empty();
  for (let at = 0; at < size; at += 100) {
    const growth = edge.grow(concatBytes(...leaves.slice(at, at + 100)));
    edge = growth.edge;
    for (const { level, number, hashes } of growth.tiles) tiles.set(`${level}/${number}`, hashes.slice());
  }
  const plain = (level: number, index: number): Uint8Array =>
    level === 0
      ? (leaves[index] as Uint8Array)
      : nodeSha256(
          concatBytes(Uint8Array.of(1), plain(level - 1, 2 * index), plain(level - 1, 2 * index + 1)),
        );
  const read = (level: number, number: number, width: number): Uint8Array => {
    const hashes = tiles.get(`${level}/${number}`) ?? new Uint8Array();
    if (hashes.length < width * HASH_BYTES) throw new Error(`tile ${level}/${number} has not ${width}`);
    return hashes.subarray(0, width * HASH_BYTES);
  };
  return { read, node: plain };
}

test("every complete node is the one that the leaves lead to", () => {
  const size = 1000;
  const tree = treeOf(size);
  const nodes = new TreeNodes(tree);
  for (let level = 0; 2 ** level <= size; level++)
    for (let index = 0; (index + 1) * 2 ** level <= size; index += level < 3 ? 7 : 1)
      expect([level, index, toHex(nodes.node(level, index, size))]).toEqual([
        level,
        index,
        toHex(tree.node(level, index)),
      ]);
});

describe("a statement's receipts", () => {
  test("have the paths of RFC 9162, in whatever batches the log grew", async () => {
    const log = await AnchorLog.create();
    const chain = (await log.enrol("city/gw-1")).chain();
    const made = await chain.filled(600);
    for (let at = 0, count = 1; at < made.length; at += count, count = (count * 3) % 23)
      log.sequence([], made.slice(at, at + count));
    const { store, log: identity } = log.opened;
    const transparents = new Transparents(store, identity);
    const read = (level: number, index: number): Uint8Array => store.tiles.node(level, index);
    const trees = [log.size, 300, 257, 256].flatMap((size) => store.batches.holding(size - 1) ?? []);
    for (const { hash } of made) {
      const held = store.archive.byHash(hash);
      if (held === undefined) throw new Error("not held");
      for (const at of trees) {
        const bytes = await transparents.make(held, at);
        const original = store.batches.holding(held.index)?.size ?? 0;
        expect(bytes === undefined).toBe(original > at.size);
        if (bytes === undefined) continue;
        const { receipts } = parseTransparent(bytes, nodeSha256);
        const found = receipts.map((one) => parseReceipt(one).proofs[0]);
        for (const [i, size] of [original, at.size].entries()) {
          const path = inclusionPath(held.index, size, read, nodeSha256);
          const proof = found[i] ?? expect.fail();
          const hashes = Array.from({ length: proof.path.length }, (_, step) => proof.path.at(step));
          expect({ ...proof, path: hashes }).toEqual({ size, index: held.index, path });
        }
      }
    }
    log.remove();
  });
});
