/**
 * When a tree of some size was there at the earliest, by the trees that receipts sign: asked for each statement of a bundle, so each answer is a search and no walk.
 *
 * @module
 */
import type { Receipt } from "@tallystick/evidence";

type Tree = Pick<Receipt, "origin" | "size" | "timeUnixS">;

/** Of one log, by rising sizes; `times`: the newest commit time up to and with that size. A log's clock may be set back, so that times needn't rise. */
type Known = { readonly sizes: readonly number[]; readonly times: readonly number[] };

export class TreeTimes {
  readonly #logs = new Map<string, Known>();

  constructor(trees: readonly Tree[]) {
    for (const [origin, all] of Map.groupBy(trees, (tree) => tree.origin)) {
      const sorted = all
        .map(({ size, timeUnixS }) => ({ size, timeUnixS }))
        .toSorted((a, b) => a.size - b.size);
      let newest = -Infinity;
      const times = sorted.map(({ timeUnixS }) => (newest = Math.max(newest, timeUnixS)));
      this.#logs.set(origin, { sizes: sorted.map(({ size }) => size), times });
    }
  }

  /** The newest commit time of the trees out of which that of `size` grew, itself among them; null where none is known. */
  knownBy(origin: string, size: number): number | null {
    const { sizes, times } = this.#logs.get(origin) ?? { sizes: [], times: [] };
    let [low, high] = [0, sizes.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((sizes[middle] ?? Infinity) <= size) low = middle + 1;
      else high = middle;
    }
    return times[low - 1] ?? null;
  }
}
