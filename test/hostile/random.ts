/**
 * The one source of chance of the hostile run: each case has a generator of its own, made from seed, target and case number, so that any case
 * can be made again alone.
 *
 * @module
 */

/** Mixes a 32-bit number (MurmurHash3's finalizer). */
function mixed(value: number): number {
  let x = value | 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}

export class Random {
  #state: number;
  readonly #step: number;

  constructor(seed: number, stream: string, number: number) {
    let name = 0;
    for (let i = 0; i < stream.length; i++) name = mixed(name + stream.charCodeAt(i));
    this.#state = mixed(mixed(seed) ^ name ^ mixed(number + 1));
    this.#step = mixed(name + number * 31 + 7) | 1;
  }

  /** A whole number, 0 to 2^32 - 1. */
  next(): number {
    this.#state = (this.#state + this.#step) >>> 0;
    return mixed(this.#state);
  }

  /** A whole number from 0 to `end` - 1; 0 where there is none. */
  below(end: number): number {
    return end <= 1 ? 0 : Math.floor((this.next() / 2 ** 32) * end);
  }

  chance(share: number): boolean {
    return this.next() < share * 2 ** 32;
  }

  /** @throws RangeError for an empty list */
  pick<T>(list: readonly T[]): T {
    if (list.length === 0) throw new RangeError("nothing to pick from");
    return list[this.below(list.length)] as T;
  }

  /** One of the functions, called; each has a weight. */
  oneOf<T>(choices: readonly (readonly [weight: number, make: () => T])[]): T {
    let at = this.below(choices.reduce((sum, [weight]) => sum + weight, 0));
    for (const [weight, make] of choices) {
      if (at < weight) return make();
      at -= weight;
    }
    throw new RangeError("nothing to choose from");
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.next() & 255);
  }
}
