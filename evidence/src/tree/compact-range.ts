/**
 * A tree that grows leaf by leaf and remembers only its right edge: as many hashes as `size` has bits set.
 *
 * @module
 */
import { EvidenceError } from "../errors.ts";
import { checkHash, half, isOdd, nodeHasher } from "./merkle.ts";
import { joinEdge, rightEdge } from "./proofs.ts";
import { sha256, type Hash } from "../sha256.ts";

/** Told of each full subtree once, the moment it is complete; level 0 is the leaf itself. Children come before parents. */
export type OnNode = (level: number, index: number, hash: Uint8Array) => void;

type Options = {
  readonly onNode?: OnNode;
  readonly hash?: Hash;
  /** Where to go on from: a size, and the hashes of its `rightEdge`, left to right. Trusted: check `root()` against a signature. */
  readonly from?: { readonly size: number; readonly edge: readonly Uint8Array[] };
};

/** Appends leaf hashes; costs one node hash for each leaf on average. Keeps the arrays it is given, so don't change them. */
export class CompactRange {
  readonly #edge: Uint8Array[] = [];
  readonly #onNode: OnNode | undefined;
  readonly #hash: Hash;
  readonly #node: (left: Uint8Array, right: Uint8Array) => Uint8Array;
  #size = 0;

  /** @throws EvidenceError `proof-index` or `proof-length` if `from` is no size with as many hashes as its edge has */
  constructor({ onNode, hash = sha256, from }: Options = {}) {
    this.#onNode = onNode;
    this.#hash = hash;
    this.#node = nodeHasher(hash);
    if (from === undefined) return;
    const { size, edge } = from;
    const needed = rightEdge(size).length;
    if (edge.length !== needed) {
      throw new EvidenceError("proof-length", "not the right edge of this size", {
        size,
        hashes: edge.length,
        needed,
      });
    }
    for (const node of edge) checkHash(node, "edge");
    this.#edge.push(...edge);
    this.#size = size;
  }

  /** Leaves so far. */
  get size(): number {
    return this.#size;
  }

  /** Hashes of the full subtrees of `rightEdge(size)`: what `from` takes to go on later. */
  get edge(): readonly Uint8Array[] {
    return [...this.#edge];
  }

  /**
   * @throws EvidenceError `proof-length` unless `leafHash` has 32 bytes; `proof-index` beyond 2^53 - 1 leaves; and what `onNode`
   *   throws, after which the range is to be thrown away
   */
  append(leafHash: Uint8Array): void {
    checkHash(leafHash, "leaf");
    if (this.#size === Number.MAX_SAFE_INTEGER) {
      throw new EvidenceError("proof-index", "the tree is full", { size: this.#size });
    }
    let node = leafHash;
    let level = 0;
    let index = this.#size;
    this.#onNode?.(level, index, node);
    // A right child completes its parent: the edge ends with its left sibling.
    while (isOdd(index)) {
      node = this.#node(this.#edge.pop() as Uint8Array, node);
      level++;
      index = half(index);
      this.#onNode?.(level, index, node);
    }
    this.#edge.push(node);
    this.#size++;
  }

  /** Root of the tree of `size`; the hash of nothing where it is empty. */
  root(): Uint8Array {
    return joinEdge(this.#edge, this.#hash);
  }
}
