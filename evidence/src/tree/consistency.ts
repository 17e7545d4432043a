/**
 * That a tree only grew: consistency of a smaller tree, or of any subtree, with a larger one.
 *
 * RFC 9162 section 2.1.4 for trees; draft-ietf-plants-merkle-tree-certs section 4 for subtrees, of which a smaller tree is the
 * case that starts at 0. One walk serves both.
 *
 * @module
 */
import { equalBytes } from "../bytes.ts";
import { EvidenceError } from "../errors.ts";
import { checkHash, half, isCount, isOdd, nodeHasher, PathReader } from "./merkle.ts";
import { sha256, type Hash } from "../sha256.ts";

/**
 * Checks that the tree of `size1` with `root1` is the beginning of the tree of `size2` with `root2`.
 *
 * @param path - as `consistencyPath` makes it; empty exactly where both sizes are equal
 * @throws EvidenceError `proof-index` unless 1 <= size1 <= size2 <= 2^53 - 1 (that the empty tree is the beginning of all others
 *   proves nothing, so it is not asked); `proof-length`; `proof-root` where the path leads to another root than either
 */
export function verifyConsistency(
  size1: number,
  root1: Uint8Array,
  size2: number,
  root2: Uint8Array,
  path: readonly Uint8Array[],
  hash: Hash = sha256,
): void {
  if (!isCount(size1) || !isCount(size2) || size1 < 1 || size1 > size2) {
    throw new EvidenceError("proof-index", `no growth from ${size1} to ${size2} leaves`, { size1, size2 });
  }
  checkGrowth({ start: 0, end: size1, size: size2 }, root1, root2, path, hash);
}

/** The leaves `start` to `end` - 1 of a tree of `size` leaves; a subtree, as `isSubtree` has it. */
type Part = { readonly start: number; readonly end: number; readonly size: number };

/**
 * Recomputes both roots from one path. The caller has checked that `part` is a subtree within the tree.
 *
 * @throws EvidenceError `proof-length`, `proof-root`
 */
export function checkGrowth(
  { start, end, size }: Part,
  partRoot: Uint8Array,
  root: Uint8Array,
  path: readonly Uint8Array[],
  hash: Hash,
): void {
  checkHash(partRoot, "root1");
  checkHash(root, "root2");
  const hashes = new PathReader(path);
  const node = nodeHasher(hash);
  // Numbers of three nodes at the level we are at: the part's first and last, and the last of the whole tree.
  let [first, last, edge] = [start, end - 1, size - 1];
  // Up to the largest node that ends where the part ends: both trees have it, so the path may begin there.
  while (first !== last && (isOdd(last) || last === edge)) {
    [first, last, edge] = [half(first), half(last), half(edge)];
  }
  const seed = first === last ? partRoot : hashes.next();
  let oldRoot = seed;
  let newRoot = seed;
  for (; edge > 0; [first, last, edge] = [half(first), half(last), half(edge)]) {
    if (isOdd(last)) {
      const left = hashes.next();
      if (first < last) oldRoot = node(left, oldRoot);
      newRoot = node(left, newRoot);
    } else if (last < edge) {
      newRoot = node(newRoot, hashes.next());
    }
  }
  hashes.end();
  if (!equalBytes(oldRoot, partRoot) || !equalBytes(newRoot, root)) {
    throw new EvidenceError("proof-root", "the path leads to other roots", { start, end, size });
  }
}
