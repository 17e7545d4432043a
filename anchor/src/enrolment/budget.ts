/**
 * How much one address may ask for: a bucket that fills slowly. Addresses are remembered up to a bound; when it is reached, those that have been silent longest are forgotten, which
 * are those whose buckets are full again first.
 *
 * @module
 */

/** Addresses that are remembered. */
const MAX_ADDRESSES = 10_000;
const MINUTE_MS = 60_000;

type Bucket = { tokens: number; atMs: number };

export class AddressBudget {
  readonly #perMinute: number;
  readonly #nowMs: () => number;
  /** In the order of their last use. */
  readonly #buckets = new Map<string, Bucket>();

  /** @param nowMs - a clock that never steps */
  constructor(perMinute: number, nowMs: () => number) {
    this.#perMinute = perMinute;
    this.#nowMs = nowMs;
  }

  /** Whether the address has anything left; {@link charge} takes from it. */
  has(address: string): boolean {
    return this.#bucket(address).tokens >= 1;
  }

  /** Takes from an address's budget, below nothing if need be. */
  charge(address: string, cost: number): void {
    const bucket = this.#bucket(address);
    bucket.tokens = Math.max(-this.#perMinute, bucket.tokens - cost);
  }

  #bucket(address: string): Bucket {
    const name = networkOf(address);
    const nowMs = this.#nowMs();
    const { tokens, atMs } = this.#buckets.get(name) ?? { tokens: this.#perMinute, atMs: nowMs };
    const filled = tokens + ((nowMs - atMs) * this.#perMinute) / MINUTE_MS;
    const bucket = { tokens: Math.min(this.#perMinute, filled), atMs: nowMs };
    this.#buckets.delete(name);
    this.#buckets.set(name, bucket);
    if (this.#buckets.size > MAX_ADDRESSES) {
      for (const oldest of this.#buckets.keys()) {
        this.#buckets.delete(oldest);
        break;
      }
    }
    return bucket;
  }
}

/** An IPv4 address, or the /64 of an IPv6 one: whoever has one address of it has them all. */
export function networkOf(address: string): string {
  const v4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/.exec(address)?.[1];
  if (v4 !== undefined) return v4;
  const [head = "", tail] = address.replace(/%.*$/, "").split("::");
  const groups = head === "" ? [] : head.split(":");
  const after = tail === undefined || tail === "" ? [] : tail.split(":");
  const missing = tail === undefined ? 0 : Math.max(0, 8 - groups.length - after.length);
  return [...groups, ...Array.from({ length: missing }, () => "0"), ...after].slice(0, 4).join(":");
}
