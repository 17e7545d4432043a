/**
 * The tree of key leaves, sorted by kid: its root is `keys` in each receipt, and a path shows the state of one key without the others.
 *
 * A registry grows by one key at a time, and each receipt names the root: so what a change leaves as it is isn't hashed again. A key that changes costs
 * its path; one that is added moves all those behind it, which costs their nodes but not their leaves.
 *
 * @module
 */
import { compareBytes, equalBytes, toHex } from "../bytes.ts";
import { EvidenceError } from "../errors.ts";
import { hashLeaf, nodeHasher } from "../tree/merkle.ts";
import { inclusionPath, treeRoot } from "../tree/proofs.ts";
import { HASH_BYTES, type Hash } from "../sha256.ts";

/** A leaf with the path that leads from it to the root. */
export type KeyProof = {
  readonly leaf: Uint8Array;
  readonly size: number;
  readonly index: number;
  readonly path: readonly Uint8Array[];
};

type Key = { readonly kid: Uint8Array; readonly leaf: Uint8Array };

export class KeyTree {
  readonly #hash: Hash;
  readonly #node: (left: Uint8Array, right: Uint8Array) => Uint8Array;
  /** Sorted by kid. */
  #keys: Key[] = [];
  /** `#levels[k]` has the hashes of the full subtrees of 2^k leaves, one after the other. */
  #levels: Uint8Array[] = [new Uint8Array()];

  /** @param keys - no kid twice */
  constructor(keys: Iterable<Key>, hash: Hash) {
    this.#hash = hash;
    this.#node = nodeHasher(hash);
    this.set(keys);
  }

  get root(): Uint8Array {
    return treeRoot(this.#keys.length, this.#read, this.#hash);
  }

  /** Adds keys, or changes the leaves of those that are there. No kid twice in one call. */
  set(keys: Iterable<Key>): void {
    const added: Key[] = [];
    for (const key of keys) {
      const index = this.#place(key.kid);
      if (this.#isAt(index, key.kid)) this.#change(index, key);
      else added.push(key);
    }
    if (added.length > 0) this.#add(added.toSorted((a, b) => compareBytes(a.kid, b.kid)));
  }

  /** @throws EvidenceError `key-unknown` */
  proof(kid: Uint8Array): KeyProof {
    const index = this.#place(kid);
    const found = this.#isAt(index, kid) ? this.#keys[index] : undefined;
    if (found === undefined) {
      throw new EvidenceError("key-unknown", "no such key", { kid: toHex(kid) });
    }
    const size = this.#keys.length;
    return { leaf: found.leaf, size, index, path: inclusionPath(index, size, this.#read, this.#hash) };
  }

  /** Index of the first key that is not before `kid`. */
  #place(kid: Uint8Array): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (compareBytes(this.#keys[middle]?.kid ?? kid, kid) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isAt(index: number, kid: Uint8Array): boolean {
    const key = this.#keys[index];
    return key !== undefined && equalBytes(key.kid, kid);
  }

  #change(index: number, key: Key): void {
    this.#keys[index] = key;
    this.#levels[0]?.set(hashLeaf(key.leaf, this.#hash), index * HASH_BYTES);
    for (let level = 1, node = index; level < this.#levels.length; level++) {
      node = Math.floor(node / 2);
      const hashes = this.#levels[level];
      if (hashes === undefined || node * HASH_BYTES >= hashes.length) return; // above the last full subtree
      hashes.set(this.#parent(level, node), node * HASH_BYTES);
    }
  }

  /** @param added - sorted, none of them there yet */
  #add(added: readonly Key[]): void {
    const old = this.#levels[0] ?? new Uint8Array();
    const keys: Key[] = [];
    const leaves = new Uint8Array(old.length + added.length * HASH_BYTES);
    let from = 0;
    const keep = (to: number): void => {
      leaves.set(old.subarray(from * HASH_BYTES, to * HASH_BYTES), keys.length * HASH_BYTES);
      for (; from < to; from++) {
        const key = this.#keys[from];
        if (key !== undefined) keys.push(key);
      }
    };
    let first: number | undefined;
    for (const key of added) {
      keep(this.#place(key.kid));
      first ??= keys.length;
      leaves.set(hashLeaf(key.leaf, this.#hash), keys.length * HASH_BYTES);
      keys.push(key);
    }
    keep(this.#keys.length);
    this.#keys = keys;
    this.#rebuild(leaves, first ?? 0);
  }

  /** The levels over new leaves, of which those before `first` are as they were. */
  #rebuild(leaves: Uint8Array, first: number): void {
    const before = this.#levels;
    this.#levels = [leaves];
    for (let level = 1; ; level++) {
      const count = Math.floor(leaves.length / HASH_BYTES / 2 ** level);
      if (count === 0) return;
      const hashes = new Uint8Array(count * HASH_BYTES);
      const same = Math.floor(first / 2 ** level);
      hashes.set((before[level] ?? new Uint8Array()).subarray(0, same * HASH_BYTES));
      this.#levels.push(hashes);
      for (let node = same; node < count; node++) hashes.set(this.#parent(level, node), node * HASH_BYTES);
    }
  }

  #parent(level: number, index: number): Uint8Array {
    return this.#node(this.#read(level - 1, 2 * index), this.#read(level - 1, 2 * index + 1));
  }

  readonly #read = (level: number, index: number): Uint8Array => {
    const found = this.#levels[level]?.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
    if (found?.length !== HASH_BYTES)
      throw new EvidenceError("proof-index", "no such subtree", { level, index });
    return found;
  };
}
