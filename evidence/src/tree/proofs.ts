/**
 * Making proofs: roots and paths from the hashes of full subtrees, wherever those are kept.
 *
 * A *full* subtree of level L has exactly 2^L leaves and begins at a multiple of 2^L; its hash never changes once the log has
 * grown past it. Everything else, the ragged right side included, is put together from those.
 *
 * @module
 */
import { EvidenceError } from "../errors.ts";
import { checkIndex, emptyRoot, half, hashNode, isCount, isOdd } from "./merkle.ts";
import { sha256, type Hash } from "../sha256.ts";

/**
 * Gives the hash of full subtree `index` of `level`, that is of the leaves index * 2^level up to (index + 1) * 2^level.
 *
 * Which nodes are read depends on index and size alone, never on the hashes: a dry run with any hash lists what to fetch.
 */
export type HashReader = (level: number, index: number) => Uint8Array;

/** Coordinates of a full subtree. */
export type TreeNode = { readonly level: number; readonly index: number };

/**
 * The full subtrees that make up a tree, largest and leftmost first: one for each bit set in `size`.
 *
 * @throws EvidenceError `proof-index` if `size` is not within 0 and 2^53 - 1
 */
export function rightEdge(size: number): TreeNode[] {
  if (!isCount(size)) throw new EvidenceError("proof-index", `no tree of ${size} leaves`, { size });
  return fullSubtrees(0, size);
}

/** Root of the tree of `size`. @throws EvidenceError `proof-index`, and what `read` throws */
export function treeRoot(size: number, read: HashReader, hash: Hash = sha256): Uint8Array {
  return joinEdge(
    rightEdge(size).map(({ level, index }) => read(level, index)),
    hash,
  );
}

/** Root of the tree whose full subtrees, left to right, have these hashes. */
export function joinEdge(hashes: readonly Uint8Array[], hash: Hash = sha256): Uint8Array {
  const smallest = hashes.at(-1);
  if (smallest === undefined) return emptyRoot(hash);
  return hashes.slice(0, -1).reduceRight((right, left) => hashNode(left, right, hash), smallest);
}

/**
 * PATH of RFC 9162 section 2.1.3.1: the siblings on the way from a leaf to the root, leaf first.
 *
 * @throws EvidenceError `proof-index` unless index < size, and what `read` throws
 */
export function inclusionPath(
  index: number,
  size: number,
  read: HashReader,
  hash: Hash = sha256,
): Uint8Array[] {
  checkIndex(index, size);
  return siblings({ level: 0, index }, size, read, hash);
}

/**
 * PROOF of RFC 9162 section 2.1.4.1: from the tree of `size1` to that of `size2`; empty where they are equal.
 *
 * @throws EvidenceError `proof-index` unless 1 <= size1 <= size2, and what `read` throws
 */
export function consistencyPath(
  size1: number,
  size2: number,
  read: HashReader,
  hash: Hash = sha256,
): Uint8Array[] {
  if (!isCount(size1) || !isCount(size2) || size1 < 1 || size1 > size2) {
    throw new EvidenceError("proof-index", `no growth from ${size1} to ${size2} leaves`, { size1, size2 });
  }
  if (size1 === size2) return [];
  // The largest full subtree that ends where the smaller tree ends.
  let level = 0;
  let index = size1 - 1;
  for (; isOdd(index); index = half(index)) level++;
  const path = siblings({ level, index }, size2, read, hash);
  // Where it is the smaller tree itself, the verifier has its hash already.
  return index === 0 ? path : [read(level, index), ...path];
}

/** The siblings on the way up from a full subtree to the root of the tree of `size`. */
function siblings(from: TreeNode, size: number, read: HashReader, hash: Hash): Uint8Array[] {
  const path: Uint8Array[] = [];
  let { level, index } = from;
  let width = 2 ** level;
  for (let last = Math.floor((size - 1) / width); last > 0; last = half(last)) {
    if (isOdd(index)) {
      path.push(read(level, index - 1));
    } else if (index < last) {
      // Only the last node of a level can be ragged.
      const start = (index + 1) * width;
      const end = Math.min(size, start + width);
      path.push(
        joinEdge(
          fullSubtrees(start, end).map((node) => read(node.level, node.index)),
          hash,
        ),
      );
    }
    index = half(index);
    level++;
    width *= 2;
  }
  return path;
}

/** Splits the leaves from `start` to `end` into full subtrees; `start` is a multiple of a power of two >= `end - start`. */
function fullSubtrees(start: number, end: number): TreeNode[] {
  const nodes: TreeNode[] = [];
  let level = 0;
  let width = 1;
  for (; width * 2 <= end - start; width *= 2) level++;
  for (let at = start; at < end; at += width) {
    for (; width > end - at; width /= 2) level--;
    nodes.push({ level, index: at / width });
  }
  return nodes;
}
