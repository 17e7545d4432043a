/**
 * The tree over the log's entries (RFC 6962 section 2.1; RFC 9162 section 2.1): its hashes, and what an inclusion proof proves.
 *
 *     leaf = SHA-256(00 || entry)      node = SHA-256(01 || left || right)      empty tree = SHA-256("")
 *
 * Numbers go up to 2^53 - 1, so halving is arithmetic here and never a 32-bit shift. A path authenticates the entry and its
 * index *in a tree of the given size*; the size itself is authenticated by whoever signed it, never by the path.
 *
 * @module
 */
import { equalBytes } from "../bytes.ts";
import { EvidenceError } from "../errors.ts";
import { HASH_BYTES, sha256, type Hash } from "../sha256.ts";

/** Hashes from a leaf towards the root; a list of them is one. */
export type Path = { readonly length: number; at(index: number): Uint8Array | undefined };

/** Domain separation: without it an inner node could pose as an entry. */
const NODE_PREFIX = 1;

/** Hash of one entry: SHA-256(00 || entry). */
export function hashLeaf(entry: Uint8Array, hash: Hash = sha256): Uint8Array {
  const input = new Uint8Array(1 + entry.length); // the prefix of a leaf is the zero that is there already
  input.set(entry, 1);
  return hash(input);
}

/** Hash of two neighbouring subtrees: SHA-256(01 || left || right). */
export function hashNode(left: Uint8Array, right: Uint8Array, hash: Hash = sha256): Uint8Array {
  const input = new Uint8Array(1 + left.length + right.length);
  input[0] = NODE_PREFIX;
  input.set(left, 1);
  input.set(right, 1 + left.length);
  return hash(input);
}

/**
 * A node hash for many nodes: the same as {@link hashNode} for hashes of 32 bytes, but with one input array for all calls, since
 * an array of 65 bytes costs as much to allocate as to hash. `hash` must not keep its argument.
 */
export function nodeHasher(hash: Hash): (left: Uint8Array, right: Uint8Array) => Uint8Array {
  const input = new Uint8Array(1 + 2 * HASH_BYTES);
  input[0] = NODE_PREFIX;
  return (left, right) => {
    input.set(left, 1);
    input.set(right, 1 + HASH_BYTES);
    return hash(input);
  };
}

/** Root of the tree without entries: the hash of nothing. */
export const emptyRoot = (hash: Hash = sha256): Uint8Array => hash(new Uint8Array(0));

/**
 * The root to which a path leads from a leaf (RFC 9162 section 2.1.3.2). Whether it is the right root is for the caller to say:
 * by comparison, or by a signature over it.
 *
 * @param leafHash - `hashLeaf` of the entry, 32 bytes
 * @param index - zero-based number of the leaf, below `size`
 * @param size - leaves in the tree, 1 to 2^53 - 1
 * @param path - the sibling of each level, leaf first
 * @throws EvidenceError `proof-index` for an index that is not in the tree or a number that is not a safe integer;
 *   `proof-length` for a path of another length than index and size demand, or a hash that is not 32 bytes
 */
export function rootFromInclusion(
  leafHash: Uint8Array,
  index: number,
  size: number,
  path: Path,
  hash: Hash = sha256,
): Uint8Array {
  checkIndex(index, size);
  checkHash(leafHash, "leaf");
  const siblings = new PathReader(path);
  const node = nodeHasher(hash);
  let root = leafHash;
  // At each level: the number of our node, and of the last node there. An only child moves up as it is.
  for (let at = index, last = size - 1; last > 0; at = half(at), last = half(last)) {
    if (isOdd(at)) root = node(siblings.next(), root);
    else if (at < last) root = node(root, siblings.next());
  }
  siblings.end();
  return root;
}

/**
 * Checks that a leaf is the one of this index in the tree of `size` with this `root`.
 *
 * @throws EvidenceError `proof-index`, `proof-length` as {@link rootFromInclusion}; `proof-root` if the path leads elsewhere
 */
export function verifyInclusion(
  leafHash: Uint8Array,
  index: number,
  size: number,
  path: Path,
  root: Uint8Array,
  hash: Hash = sha256,
): void {
  checkIndex(index, size);
  checkHash(root, "root");
  if (!equalBytes(rootFromInclusion(leafHash, index, size, path, hash), root)) {
    throw new EvidenceError("proof-root", "the path leads to another root", { index, size });
  }
}

/** A whole number from 0 to 2^53 - 1: the only numbers that count leaves here. */
export const isCount = (n: number): boolean => Number.isSafeInteger(n) && n >= 0;

/** Below it a count is an integer to the processor, too, and is halved by a shift: in a tree that is all there is beside the hashes. */
const SHIFTED = 2 ** 31;

export const half = (n: number): number => (n < SHIFTED ? n >>> 1 : Math.floor(n / 2));

/** `n` halved so many times, at most 53. */
export const halved = (n: number, times: number): number =>
  n < SHIFTED && times < 31 ? n >>> times : Math.floor(n / 2 ** times);

export const isOdd = (n: number): boolean => (n < SHIFTED ? (n & 1) === 1 : n % 2 === 1);

/** How often both numbers, which differ, must be halved until they are the same. */
export function halvingsToMeet(a: number, b: number): number {
  if (a < SHIFTED && b < SHIFTED) return 32 - Math.clz32(a ^ b);
  let halvings = 0;
  for (let [one, other] = [a, b]; one !== other; one = half(one), other = half(other)) halvings++;
  return halvings;
}

/** @throws EvidenceError `proof-index` unless 0 <= index < size, both safe integers */
export function checkIndex(index: number, size: number): void {
  if (!isCount(index) || !isCount(size) || index >= size) {
    throw new EvidenceError("proof-index", `no leaf ${index} in a tree of ${size}`, { index, size });
  }
}

/** @throws EvidenceError `proof-length` unless `bytes` are a SHA-256; `what` names it */
export function checkHash(bytes: Uint8Array, what: string): void {
  if (bytes.length !== HASH_BYTES) {
    throw new EvidenceError("proof-length", `a hash has ${HASH_BYTES} bytes`, { what, bytes: bytes.length });
  }
}

/**
 * Hands out the hashes of a path one by one.
 *
 * Errors: `proof-length` where the path is too short, too long, or holds what is no hash.
 */
export class PathReader {
  readonly #path: Path;
  #used = 0;

  constructor(path: Path) {
    this.#path = path;
  }

  /** Hashes handed out so far. */
  get used(): number {
    return this.#used;
  }

  next(): Uint8Array {
    const bytes = this.#path.at(this.#used);
    if (bytes === undefined) {
      throw new EvidenceError("proof-length", "the path is too short", { hashes: this.#path.length });
    }
    checkHash(bytes, "path");
    this.#used++;
    return bytes;
  }

  /** To be called when no more is needed: a hash left over is an error. */
  end(): void {
    const hashes = this.#path.length;
    if (this.#used !== hashes) {
      throw new EvidenceError("proof-length", "the path is too long", { hashes, needed: this.#used });
    }
  }
}
