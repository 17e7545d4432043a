/**
 * Keeps V8's heap near what is alive in it, for commands that let millions of rows pass.
 *
 * @module
 */
import { PerformanceObserver } from "node:perf_hooks";
import { getHeapSpaceStatistics, setFlagsFromString } from "node:v8";

/** Space for young objects, beyond which it grows no more. */
const YOUNG_BYTES = 16 << 20;

/**
 * For the rest of the process, and threads that it starts: all objects begin young. By itself V8 learns in the first moments, while its young space is small, that statements live long, and
 * from then on puts each among the old, where it waits for a full collection: 130 MiB and 2 to 3 us a statement more (`npm run bench -- case`).
 */
export function keepObjectsYoung(): void {
  setFlagsFromString("--no-allocation-site-pretenuring");
}

/**
 * For the rest of the process: by itself V8 would take 128 MiB for what is dead already, and several times of what it needs for the rest, and be little faster for
 * it. It reads both flags whenever it considers growing.
 */
export function keepHeapSmall(): void {
  setFlagsFromString("--heap-growing-percent=50");
  const observer = new PerformanceObserver(() => {
    const young = getHeapSpaceStatistics().find(({ space_name: name }) => name === "new_space");
    if ((young?.space_size ?? 0) < YOUNG_BYTES) return;
    setFlagsFromString("--semi-space-growth-factor=1");
    observer.disconnect();
  });
  observer.observe({ entryTypes: ["gc"] });
}
