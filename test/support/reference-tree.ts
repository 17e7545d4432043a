/**
 * The tree as RFC 6962 section 2.1 defines it: recursive, by ranges, with node:crypto alone. It shares nothing with the code under test, and
 * nobody would use it: it is here to be compared with.
 *
 * @module
 */
import { createHash } from "node:crypto";

const sha256 = (...parts: readonly Uint8Array[]): Uint8Array => {
  const hash = createHash("sha256");
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
};

/** Entry i is the text "entry i". */
export const entryOf = (i: number): Uint8Array => new TextEncoder().encode(`entry ${i}`);

/** All trees over the entries 0, 1, 2, …; remembers the ranges it has hashed. */
export class ReferenceTree {
  readonly #roots = new Map<string, Uint8Array>();

  /** MTH(D[start:end]) */
  root(start: number, end: number): Uint8Array {
    const name = `${start}:${end}`;
    const known = this.#roots.get(name);
    if (known !== undefined) return known;
    const root = this.#hash(start, end);
    this.#roots.set(name, root);
    return root;
  }

  #hash(start: number, end: number): Uint8Array {
    if (end === start) return sha256();
    if (end === start + 1) return sha256(Uint8Array.of(0), entryOf(start));
    const middle = start + split(end - start);
    return sha256(Uint8Array.of(1), this.root(start, middle), this.root(middle, end));
  }

  /** PATH(index - start, D[start:end]) */
  path(index: number, start: number, end: number): Uint8Array[] {
    if (end === start + 1) return [];
    const middle = start + split(end - start);
    return index < middle
      ? [...this.path(index, start, middle), this.root(middle, end)]
      : [...this.path(index, middle, end), this.root(start, middle)];
  }

  /**
   * SUBTREE_PROOF(start, end, D[0:size]) of draft-ietf-plants-merkle-tree-certs section 4; with `start` 0 it is PROOF(end, D[0:size]) of
   * RFC 6962 section 2.1.2.
   */
  growth(start: number, end: number, size: number): Uint8Array[] {
    return this.#growth(start, end, 0, size, true);
  }

  #growth(start: number, end: number, from: number, to: number, isKnown: boolean): Uint8Array[] {
    if (start === from && end === to) return isKnown ? [] : [this.root(from, to)];
    const middle = from + split(to - from);
    if (end <= middle) return [...this.#growth(start, end, from, middle, isKnown), this.root(middle, to)];
    const left = this.root(from, middle);
    return start >= middle
      ? [...this.#growth(start, end, middle, to, isKnown), left]
      : [...this.#growth(middle, end, middle, to, false), left];
  }
}

/** The largest power of two below n. */
function split(n: number): number {
  let k = 1;
  while (k * 2 < n) k *= 2;
  return k;
}
