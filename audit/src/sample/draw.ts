/**
 * Draws samples that another program can draw again (docs/working-papers.md has the steps): everything follows from a seed, from the ids of the items and, for
 * money-unit samples, from their amounts and order. Integers and hashes only.
 *
 * Items are gone through, never held: a population may be an export of a million lines.
 *
 * @module
 */
import { compareBytes, encodeUtf8, sha256 } from "@tallystick/evidence";

/** Something that can be drawn. `amount`: not negative, in millionths; `stratum`: "" where there are none. */
export type Item = { readonly id: string; readonly stratum: string; readonly amount: bigint };

/** An item that was drawn. `hits`: how many points of a money-unit sample fell on it; else 1. */
export type Drawn<T extends Item> = { readonly item: T; readonly rank: Uint8Array; readonly hits: number };

/** What is drawn from, again and again in the same order. */
export type Population<T extends Item> = () => AsyncIterable<T>;

/** First line of what is hashed: names these very rules. */
export const ALGORITHM = "tally-sample 1";

/** The order of chance: SHA-256 over algorithm, seed and id, a line each, without a line end after the last. */
const rankOf = (seed: string, id: string): Uint8Array => sha256(encodeUtf8(`${ALGORITHM}\n${seed}\n${id}`));

/** The items of the `most` lowest ranks, lowest first; of equal ranks the first. */
class Lowest<T extends Item> {
  readonly #most: number;
  readonly #kept: Drawn<T>[] = [];

  constructor(most: number) {
    this.#most = most;
  }

  offer(item: T, rank: Uint8Array): void {
    const last = this.#kept.at(-1);
    if (this.#most === 0) return;
    if (this.#kept.length === this.#most && last !== undefined && compareBytes(rank, last.rank) >= 0) return;
    let [low, high] = [0, this.#kept.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const one = this.#kept[middle];
      if (one !== undefined && compareBytes(one.rank, rank) <= 0) low = middle + 1;
      else high = middle;
    }
    this.#kept.splice(low, 0, { item, rank, hits: 1 });
    if (this.#kept.length > this.#most) this.#kept.pop();
  }

  drawn(): readonly Drawn<T>[] {
    return this.#kept;
  }
}

/** How many of each stratum are drawn, by its name. */
export type Strata = ReadonlyMap<string, { readonly count: number; readonly drawn: number }>;

/**
 * The `n` items of the lowest ranks in each stratum's share; without strata, of all. Each item of a stratum has the same chance.
 */
export async function drawByRank<T extends Item>(
  population: Population<T>,
  seed: string,
  strata: Strata,
): Promise<Drawn<T>[]> {
  const lowest = new Map([...strata].map(([name, { drawn }]) => [name, new Lowest<T>(drawn)]));
  for await (const item of population()) lowest.get(item.stratum)?.offer(item, rankOf(seed, item.id));
  return [...lowest.values()].flatMap((one) => one.drawn()).toSorted((a, b) => compareBytes(a.rank, b.rank));
}

/**
 * Shares of `n` among strata: one of each, so that every item has a chance, and the rest in proportion to what is left, by the largest remainder;
 * of equal remainders the first name in the order of its code units.
 *
 * @param counts - of items, by stratum; together at least `n`, and at most `n` of them
 */
export function shares(counts: ReadonlyMap<string, number>, n: number): Strata {
  const names = [...counts.keys()].toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  const all = names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0);
  const rest = n - names.length;
  const left = all - names.length;
  const parts = names.map((name) => {
    const count = counts.get(name) ?? 0;
    const product = rest * (count - 1);
    return left === 0
      ? { name, count, whole: 0, remainder: 0 }
      : { name, count, whole: Math.floor(product / left), remainder: product % left };
  });
  const open = rest - parts.reduce((sum, { whole }) => sum + whole, 0);
  const lucky = new Set(
    parts
      .toSorted((a, b) => b.remainder - a.remainder)
      .slice(0, open)
      .map(({ name }) => name),
  );
  return new Map(
    parts.map(({ name, count, whole }) => [name, { count, drawn: 1 + whole + (lucky.has(name) ? 1 : 0) }]),
  );
}

/** Where the first point of a money-unit sample lies, before it is divided by n: 0 to below `total`. */
export const startOf = (seed: string, total: bigint): bigint => {
  const digest = sha256(encodeUtf8(`${ALGORITHM} start\n${seed}`));
  return digest.reduce((sum, byte) => sum * 256n + BigInt(byte), 0n) % total;
};

/**
 * A money-unit sample: `n` points at equal distances of the whole amount, the first where the seed puts it; an item is drawn by each point that falls on
 * its amount. Point k lies at (k · total + start) / n. Items of amount 0 are never drawn.
 *
 * @param total - the sum of all amounts, above 0
 */
export async function drawByMoney<T extends Item>(
  population: Population<T>,
  seed: string,
  n: number,
  total: bigint,
): Promise<Drawn<T>[]> {
  const start = startOf(seed, total);
  const points = BigInt(n);
  /** The number of points before an amount. */
  const before = (amount: bigint): bigint => ceiling(points * amount - start, total);
  const drawn: Drawn<T>[] = [];
  let sum = 0n;
  let passed = 0n;
  for await (const item of population()) {
    sum += item.amount;
    const now = before(sum);
    const hits = Number(now - passed);
    passed = now;
    if (hits > 0) drawn.push({ item, rank: rankOf(seed, item.id), hits });
  }
  return drawn;
}

/** a / b rounded up, for b above 0. */
const ceiling = (a: bigint, b: bigint): bigint => (a <= 0n ? -(-a / b) : (a + b - 1n) / b);
