/**
 * How old the newest commit of a log is: by the times that the log itself signed, or else by when its tree was first seen here.
 *
 * @module
 */
import type { WatchState } from "./state.ts";

type Times = Pick<WatchState, "commit" | "seenAt">;

/** A commit time that is later than this, seconds, is of a clock that is wrong, or a lie. */
const MAX_AHEAD_S = 300;

/** Notes down a commit time of the tree of `size`. */
export function noteCommit(times: Times, timeUnixS: number, size: number, nowUnixS: number): void {
  if (timeUnixS > nowUnixS + MAX_AHEAD_S) return;
  times.commit = { time: Math.max(timeUnixS, times.commit?.time ?? 0), size };
}

/** When the tree of `size` was committed, as far as it is known; seconds. */
export const committedAt = ({ commit, seenAt }: Times, size: number): number =>
  commit?.size === size ? commit.time : seenAt;
