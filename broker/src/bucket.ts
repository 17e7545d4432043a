/**
 * Token buckets: how much of something may happen in a time. A bucket is full at the start, and refills evenly.
 *
 * @module
 */

export class Bucket {
  readonly #capacity: number;
  readonly #perMs: number;
  #level: number;
  #atMs: number;

  /** @param perS - what it refills by in a second; it holds one second's worth unless `capacity` says otherwise */
  constructor(perS: number, nowMs: number, capacity = perS) {
    this.#capacity = capacity;
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
    this.#level -= amount;
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

/** A bucket for each name, of those that were seen last: whoever is forgotten begins with a full one. */
export class Buckets {
  readonly #buckets = new Map<string, Bucket>();
  readonly #perMinute: number;
  readonly #max: number;

  /** @param max - names that are remembered */
  constructor(perMinute: number, max: number) {
    this.#perMinute = perMinute;
    this.#max = max;
  }

  /** Takes one from the bucket of `name`, if there is one. */
  take(name: string, nowMs: number): boolean {
    const bucket = this.#buckets.get(name) ?? new Bucket(this.#perMinute / 60, nowMs, this.#perMinute);
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > this.#max) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    return bucket.take(nowMs);
  }
}
