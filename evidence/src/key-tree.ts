/**
 * The tree of key leaves, sorted by kid: its root is `keys` in each receipt, and a path shows the state of one key without the others.
 *
 * @module
 */
import { compareBytes, toHex } from "./bytes.ts";
import { EvidenceError } from "./errors.ts";
import { hashLeaf, hashNode } from "./merkle.ts";
import { inclusionPath, treeRoot } from "./proofs.ts";
import type { Hash } from "./sha256.ts";

/** A leaf with the path that leads from it to the root. */
export type KeyProof = {
  readonly leaf: Uint8Array;
  readonly size: number;
  readonly index: number;
  readonly path: readonly Uint8Array[];
};

export class KeyTree {
  readonly root: Uint8Array;
  readonly #leaves: readonly { readonly kid: Uint8Array; readonly leaf: Uint8Array }[];
  /** `#levels[k][i]` is the hash of the i-th full subtree of 2^k leaves. */
  readonly #levels: readonly (readonly Uint8Array[])[];
  readonly #places = new Map<string, number>();

  constructor(leaves: Iterable<{ readonly kid: Uint8Array; readonly leaf: Uint8Array }>, hash: Hash) {
    this.#leaves = [...leaves].toSorted((a, b) => compareBytes(a.kid, b.kid));
    for (const [i, { kid }] of this.#leaves.entries()) this.#places.set(toHex(kid), i);
    let level: readonly Uint8Array[] = this.#leaves.map(({ leaf }) => hashLeaf(leaf, hash));
    const levels = [level];
    while (level.length > 1) {
      const above: Uint8Array[] = [];
      for (let i = 0; i + 1 < level.length; i += 2) {
        const [left, right] = [level[i], level[i + 1]];
        if (left !== undefined && right !== undefined) above.push(hashNode(left, right, hash));
      }
      levels.push(above);
      level = above;
    }
    this.#levels = levels;
    this.root = treeRoot(this.#leaves.length, this.#read, hash);
    this.#hash = hash;
  }

  readonly #hash: Hash;

  /** @throws EvidenceError `key-unknown` */
  proof(kid: Uint8Array): KeyProof {
    const index = this.#places.get(toHex(kid));
    const found = index === undefined ? undefined : this.#leaves[index];
    if (index === undefined || found === undefined) {
      throw new EvidenceError("key-unknown", "no such key", { kid: toHex(kid) });
    }
    const size = this.#leaves.length;
    return { leaf: found.leaf, size, index, path: inclusionPath(index, size, this.#read, this.#hash) };
  }

  readonly #read = (level: number, index: number): Uint8Array => {
    const found = this.#levels[level]?.[index];
    if (found === undefined) throw new EvidenceError("proof-index", "no such subtree", { level, index });
    return found;
  };
}
