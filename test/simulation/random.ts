/**
 * Chance from a number: the same seed gives the same throws on every machine. Each purpose draws from a stream of its own, so that one more throw in
 * one place doesn't change all others.
 *
 * @module
 */

/** sfc32 (Chris Doty-Humphrey, PractRand): 128 bits of state, passes BigCrush. */
export class Random {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(seed: number, purpose = "") {
    this.#a = seed | 0;
    this.#b = Math.floor(seed / 2 ** 32) | 0;
    this.#c = 0x9e3779b9 | 0;
    for (let i = 0; i < purpose.length; i++)
      this.#c = Math.imul(this.#c ^ purpose.charCodeAt(i), 0x01000193) | 0;
    for (let i = 0; i < 12; i++) this.#next();
  }

  /** From 0 up to 1. */
  readonly unit = (): number => (this.#next() >>> 0) / 2 ** 32;

  /** A whole number from 0 up to, not including, `n`. */
  below(n: number): number {
    return Math.floor(this.unit() * n);
  }

  between(least: number, most: number): number {
    return least + this.unit() * (most - least);
  }

  /** As {@link between}, evenly over orders of magnitude. */
  scale(least: number, most: number): number {
    return least * (most / least) ** this.unit();
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(some: readonly T[]): T {
    const one = some[this.below(some.length)];
    if (one === undefined) throw new RangeError("nothing to pick from");
    return one;
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.#next() & 0xff);
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = ((this.#c << 21) | (this.#c >>> 11)) + sum;
    this.#c |= 0;
    return sum;
  }
}
