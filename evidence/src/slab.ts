/**
 * Small arrays cut from larger ones, for bytes that are of no use soon: to make an array of some hundred bytes and to give it back costs as much as
 * to hash it. An array that is kept keeps all of its slab.
 *
 * @module
 */
const SLAB_BYTES = 1 << 16;

export class Slab {
  #bytes = new Uint8Array();
  #at = 0;

  /** So many bytes, which nobody else has. */
  take(length: number): Uint8Array {
    if (this.#at + length > this.#bytes.length) {
      if (length > SLAB_BYTES) return new Uint8Array(length);
      this.#bytes = new Uint8Array(SLAB_BYTES);
      this.#at = 0;
    }
    const from = this.#at;
    this.#at += length;
    return this.#bytes.subarray(from, this.#at);
  }
}
