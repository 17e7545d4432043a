/**
 * Token buckets: how much of something may happen in a time. A bucket is full at the start, and refills evenly.
 *
 * @module
 */

export type BucketSize = {
  /** What it holds; by default what it refills by in a second. */
  readonly capacity?: number;
  /** How far below zero it may fall; by default without end. */
  readonly maxDebt?: number;
};

export class Bucket {
  readonly #capacity: number;
  readonly #maxDebt: number;
  readonly #perMs: number;
  #level: number;
  #atMs: number;

  /** @param perS - what it refills by in a second */
  constructor(perS: number, nowMs: number, { capacity = perS, maxDebt = Infinity }: BucketSize = {}) {
    this.#capacity = capacity;
    this.#maxDebt = maxDebt;
    this.#perMs = perS / 1000;
    this.#level = capacity;
    this.#atMs = nowMs;
  }

  /** Takes one, if there is one. */
  take(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#level < 1) return false;
    this.#level -= 1;
    return true;
  }

  /** Takes what has happened already: the level may fall below zero. */
  spend(amount: number, nowMs: number): void {
    this.#refill(nowMs);
    this.#level = Math.max(-this.#maxDebt, this.#level - amount);
  }

  /** How long until it is above zero; 0 if it is. */
  waitMs(nowMs: number): number {
    this.#refill(nowMs);
    return this.#level > 0 ? 0 : Math.ceil(-this.#level / this.#perMs) + 1;
  }

  #refill(nowMs: number): void {
    this.#level = Math.min(this.#capacity, this.#level + (nowMs - this.#atMs) * this.#perMs);
    this.#atMs = nowMs;
  }
}

/** A bucket for each name, of those that were used last: whoever is forgotten begins with a full one. */
export class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #perS: number;
  readonly #size: BucketSize;
  readonly #max: number;

  /** @param max - names that are remembered */
  constructor(perS: number, max: number, size: BucketSize = {}) {
    this.#perS = perS;
    this.#max = max;
    this.#size = size;
  }

  /** Takes one from the bucket of `name`, if there is one. */
  take(name: string, nowMs: number): boolean {
    return this.#used(name, nowMs).take(nowMs);
  }

  /** Takes what has happened already. */
  spend(name: string, amount: number, nowMs: number): void {
    this.#used(name, nowMs).spend(amount, nowMs);
  }

  /** How long until there is something in the bucket of `name`; 0 if there is. */
  waitMs(name: string, nowMs: number): number {
    return this.#buckets.get(name)?.waitMs(nowMs) ?? 0;
  }

  #used(name: string, nowMs: number): Bucket {
    const bucket = this.#buckets.get(name) ?? new Bucket(this.#perS, nowMs, this.#size);
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > this.#max) {
      const [oldest = name] = this.#buckets.keys();
      this.#buckets.delete(oldest);
    }
    return bucket;
  }
}
