/**
 * Chance that can be repeated: the same seed gives the same throws.
 *
 * @module
 */
export class Dice {
  readonly seed: number;
  #state: number;

  /** @param seed - a whole number of 32 bits */
  constructor(seed: number) {
    this.seed = seed >>> 0;
    this.#state = this.seed;
  }

  /** At least 0, less than 1 (mulberry32, T. Ettinger, 2017). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number, `from` to `to`. */
  whole(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  /** One of these. @throws RangeError where there is none */
  one<T>(some: readonly T[]): T {
    const chosen = some[Math.floor(this.next() * some.length)];
    if (chosen === undefined) throw new RangeError("nothing to choose from");
    return chosen;
  }

  /** All of these, in another order. */
  shuffled<T>(some: readonly T[]): T[] {
    const rest = [...some];
    const done: T[] = [];
    while (rest.length > 0) done.push(...rest.splice(Math.floor(this.next() * rest.length), 1));
    return done;
  }
}

/** A seed for a run that was given none. */
export const anySeed = (): number => Math.floor(Math.random() * 2 ** 32);
