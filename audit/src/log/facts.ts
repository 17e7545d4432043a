/**
 * What was derived about a log, for comparison with what its receipts, devices and older notes say: roots by size, entries by index, and
 * the registry with its place in the log.
 *
 * @module
 */
import { equalBytes, HASH_BYTES, type PublicKey, type VerifierKey } from "@tallystick/evidence";

/** The log, as the policy and its checkpoint name it. */
export type LogIdentity = {
  readonly origin: string;
  readonly key: PublicKey;
  readonly vkey: VerifierKey;
  readonly size: number;
  readonly root: Uint8Array;
};

/** Sizes, registry counts and entries that the evidence at hand speaks of: what to remember while the log passes by. */
export type Wanted = {
  readonly sizes: Set<number>;
  readonly counts: Set<number>;
  readonly indexes: Set<number>;
  /** Registry items that a receipt within the log's size names. */
  leastItems: number;
};

export const nothingWanted = (): Wanted => ({
  sizes: new Set(),
  counts: new Set(),
  indexes: new Set(),
  leastItems: 0,
});

/** The registry's items with their places, as far as both are known. */
export class Timeline {
  readonly #hashes: Uint8Array;
  readonly #indexes: readonly number[];
  readonly #whole: boolean;

  /**
   * @param hashes - 32 bytes an item
   * @param indexes - log index of each item that was found, rising
   * @param whole - false where items after the last one found may exist
   */
  constructor(hashes: Uint8Array, indexes: readonly number[], whole: boolean) {
    this.#hashes = hashes;
    this.#indexes = indexes;
    this.#whole = whole;
  }

  /** Items placed in the log. */
  get count(): number {
    return this.#indexes.length;
  }

  /** Items within the first `size` entries; undefined where that is not known. */
  within(size: number): number | undefined {
    const last = this.#indexes.at(-1) ?? -1;
    if (!this.#whole && size > last + 1) return undefined;
    let low = 0;
    let high = this.#indexes.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#indexes[middle] ?? 0) < size) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** True where item `n` has this hash. */
  is(n: number, hash: Uint8Array): boolean {
    return n >= 0 && equalBytes(this.#hashes.subarray(n * HASH_BYTES, (n + 1) * HASH_BYTES), hash);
  }
}

/** Undefined means: not known, because something it follows from is missing or wrong. */
export type LogFacts = {
  readonly log: LogIdentity;
  readonly roots: ReadonlyMap<number, Uint8Array>;
  readonly entries: ReadonlyMap<number, Uint8Array>;
  readonly timeline: Timeline;
  /** Root of the key state after that many items. */
  readonly keysRoots: ReadonlyMap<number, Uint8Array>;
  keyOf(kid: Uint8Array): PublicKey | undefined;
};
