/**
 * Finds the registry items among the entries of a log while these pass by, in one go: items follow one another in the log as
 * they do in the registry, so only the next one is looked for.
 *
 * @module
 */
import { HASH_BYTES } from "@tallystick/evidence";
import { ENTRY_BYTES } from "./tile-files.ts";

export class ItemFinder {
  /** Hashes of the items, one after another. */
  readonly #hashes: Uint8Array;
  readonly #indexes: number[] = [];

  /** @param hashes - 32 bytes an item, in the order of their numbers */
  constructor(hashes: Uint8Array) {
    this.#hashes = hashes;
  }

  /** Log index of each item found so far, by number. */
  get indexes(): readonly number[] {
    return this.#indexes;
  }

  /** True once every item was found. */
  get complete(): boolean {
    return this.#indexes.length * HASH_BYTES === this.#hashes.length;
  }

  /** Looks through a bundle of entries, of which the first has log index `first`. */
  look(first: number, bundle: Uint8Array): void {
    for (let at = 2; at < bundle.length; at += ENTRY_BYTES) {
      const wanted = this.#indexes.length * HASH_BYTES;
      if (wanted === this.#hashes.length) return;
      // The first byte decides 255 times in 256.
      if (bundle[at] !== this.#hashes[wanted] || !this.#same(bundle, at, wanted)) continue;
      this.#indexes.push(first + (at - 2) / ENTRY_BYTES);
    }
  }

  #same(bundle: Uint8Array, at: number, wanted: number): boolean {
    for (let i = 1; i < HASH_BYTES; i++) if (bundle[at + i] !== this.#hashes[wanted + i]) return false;
    return true;
  }
}
