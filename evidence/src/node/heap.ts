/**
 * Keeps V8's heap near what is alive in it. By itself V8 gives the young generation up to 128 MiB while many objects pass through, which makes collections rarer, nothing faster here, and keeps
 * the buffers of dead objects as long; and the old one several times of what it needs, because under load there is always something that would rather not be interrupted.
 *
 * Each of these is read by V8 whenever it considers the matter, so it may be set at any time; and is for the whole process, and threads that it starts.
 *
 * @module
 */
import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

export type HeapBounds = {
  /** Both halves of the young generation. It stops growing once it has as much, and may overshoot by one doubling. */
  readonly youngBytes: number;
  /** The old generation is collected before it is larger than what survived the last time and this part of it. */
  readonly oldGrowthPercent: number;
};

/** From now on. */
export function boundHeap({ youngBytes, oldGrowthPercent }: HeapBounds): void {
  setFlagsFromString(`--heap-growing-percent=${oldGrowthPercent}`);
  // else the young generation grows without a bound while the old one is being marked
  setFlagsFromString("--no-separate-gc-phases");
  let mayGrow = true;
  const look = (): void => {
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
    if ((young?.space_size ?? 0) < youngBytes === mayGrow) return;
    mayGrow = !mayGrow;
    setFlagsFromString(`--semi-space-growth-factor=${mayGrow ? 2 : 1}`);
  };
  look();
  new PerformanceObserver(look).observe({ entryTypes: ["gc"] });
}

/**
 * From now on all objects begin young. By itself V8 learns in the first moments, while its young space is small, that statements live long, and
 * from then on puts each among the old, where it waits for a full collection.
 */
export function keepObjectsYoung(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}
