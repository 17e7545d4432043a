/**
 * Commit times of one log, held against one another: a tree is there later than those that it grew out of. When anything came to the log is its own word, by
 * its own clock, but it can't be true where that clock runs backwards.
 *
 * @module
 */
import type { FindingSink } from "./findings.ts";

/** When a log says that its tree of one size was there. A restored log signs a size anew, at the time of the restore: both times are good. */
export type CommitTimes = {
  readonly size: number;
  readonly earliestUnixS: number;
  readonly latestUnixS: number;
};

/** A size of which every time is before every one of some smaller size; undefined where there is none. @param times - by rising sizes */
function reversedSize(times: Iterable<CommitTimes>): number | undefined {
  let reached = 0;
  for (const { size, earliestUnixS, latestUnixS } of times) {
    if (latestUnixS < reached) return size;
    reached = Math.max(reached, earliestUnixS);
  }
  return undefined;
}

/** Reports `time-reversed`. @param times - those of the log's trees in the evidence, by rising sizes */
export function checkTimes(origin: string, times: Iterable<CommitTimes>, findings: FindingSink): void {
  const size = reversedSize(times);
  if (size === undefined) return;
  const reason = `${origin} says that its tree of size ${size} was there before a smaller one`;
  findings.restricted("receipts", "time-reversed", reason);
}
