/**
 * Subtrees: runs of leaves whose hash occurs in, or can be proved from, the tree around them
 * (draft-ietf-plants-merkle-tree-certs section 4). Mirrors and witnesses exchange proofs of them.
 *
 * @module
 */
import { equalBytes } from "../bytes.ts";
import { checkGrowth } from "./consistency.ts";
import { EvidenceError } from "../errors.ts";
import { emptyRoot, isCount, verifyInclusion } from "./merkle.ts";
import { sha256, type Hash } from "../sha256.ts";

/** The leaves from `start` up to, not including, `end`. */
export type Subtree = { readonly start: number; readonly end: number };

/** True where `start` is a multiple of the smallest power of two that is at least `end - start`, and there is a leaf. */
export function isSubtree({ start, end }: Subtree): boolean {
  if (!isCount(start) || !isCount(end) || start >= end) return false;
  let width = 1;
  while (width < end - start) width *= 2;
  return start % width === 0;
}

/**
 * Checks that a leaf is the one of this index (counted in the whole tree) in the subtree with this root.
 *
 * @throws EvidenceError `proof-index` for a range that is no subtree or an index outside it; `proof-length`; `proof-root`
 */
export function verifySubtreeInclusion(
  leafHash: Uint8Array,
  index: number,
  subtree: Subtree,
  path: readonly Uint8Array[],
  root: Uint8Array,
  hash: Hash = sha256,
): void {
  const { start, end } = subtree;
  if (!isSubtree(subtree) || !isCount(index) || index < start || index >= end) {
    throw new EvidenceError("proof-index", "no such leaf in such a subtree", { index, start, end });
  }
  verifyInclusion(leafHash, index - start, end - start, path, root, hash);
}

/**
 * Checks that the subtree with `subtreeRoot` is part of the tree of `size` with `root`.
 *
 * The empty range, at any place in the tree, is accepted with an empty path and the hash of nothing, whatever `root` is: it
 * claims nothing. That is the rule of the published vectors.
 *
 * @throws EvidenceError `proof-index` for a range that is no subtree or reaches beyond the tree; `proof-length`; `proof-root`
 */
export function verifySubtreeConsistency(
  subtree: Subtree,
  subtreeRoot: Uint8Array,
  size: number,
  root: Uint8Array,
  path: readonly Uint8Array[],
  hash: Hash = sha256,
): void {
  const { start, end } = subtree;
  const isEmpty = start === end && isCount(start);
  if (!isCount(size) || end > size || !(isEmpty || isSubtree(subtree))) {
    throw new EvidenceError("proof-index", "no such subtree in such a tree", { start, end, size });
  }
  if (!isEmpty) {
    checkGrowth({ start, end, size }, subtreeRoot, root, path, hash);
    return;
  }
  if (path.length !== 0) {
    throw new EvidenceError("proof-length", "an empty range has an empty path", { hashes: path.length });
  }
  if (!equalBytes(subtreeRoot, emptyRoot(hash))) {
    throw new EvidenceError("proof-root", "not the hash of nothing", { start, end, size });
  }
}
