/**
 * Gaps: what is missing, told by the device itself.
 *
 * @module
 */
import { decimal, decimalToNumber, type Decimal, type Reading } from "@tallystick/evidence";
import { STEP_MS, type Time } from "../clock/clock.ts";
import type { Entry, Stamp } from "../storage/journal.ts";
import type { Since } from "../sample/unread.ts";

/** Unix seconds, to the millisecond. */
export const secondsOf = (unixMs: number): Decimal => decimal(Math.floor(unixMs), -3);

/**
 * The time range of a gap that ends now. Where the time of day was unknown at either end, it is given in seconds since the agent started, which
 * are below 2^28 and so are never taken for a date (RFC 8428 section 4.5.3).
 */
export function gapTime(
  start: Since,
  now: Time,
  uptimeMs: number,
): { readonly from: Decimal; readonly to: Decimal } {
  if (start.tq > 0 && now.tq > 0)
    return { from: secondsOf(Math.min(start.since, now.timeUnixMs)), to: secondsOf(now.timeUnixMs) };
  return { from: secondsOf(0), to: secondsOf(uptimeMs) };
}

/**
 * How many samples are missing between one at `before` and one at `after`, to the nearest: 0 where the second is the one that was due next.
 * Undefined where nobody can know: samples come as they come; the clock is worse than it was, as after a power cut until it is synchronised; or it
 * stepped in between, which shows over restarts only where it then stands before `before`.
 */
export function samplesMissing(before: Since, after: Stamp, intervalS: number): number | undefined {
  if (intervalS === 0 || before.tq === 0 || after.tq < before.tq) return undefined;
  if (before.scale !== undefined && before.scale !== after.scale) return undefined;
  const elapsedMs = after.atUnixMs - before.since;
  if (elapsedMs < -STEP_MS) return undefined;
  return Math.max(0, Math.round(elapsedMs / (intervalS * 1000)) - 1);
}

export type LastRun = {
  /** What was journalled and not sealed. */
  readonly left: readonly Entry[];
  /** The newest readings sealed or journalled. */
  readonly told: readonly Reading[];
  /** The last moment that the agent is known to have read its sources, and how far its clock could be believed then. */
  readonly aliveUnixMs: number | undefined;
  readonly aliveTq: number;
  readonly maxLossMs: number;
  readonly intervalS: number;
};

/**
 * Since when a stream has been without its agent, at a start: since the last that is on the disk of it. Where its source had been silent before the
 * agent ended, since the agent ended: what it had in memory then was no older than `maxLossMs`. Undefined where nothing is known.
 */
export function absentSince(run: LastRun): Since | undefined {
  const known = lastKnown(run);
  if (run.aliveUnixMs === undefined) return known;
  const ended = { since: run.aliveUnixMs - run.maxLossMs, tq: run.aliveTq };
  if (known === undefined) return ended;
  const wasSilent = ended.since - known.since > 1500 * run.intervalS;
  return known.tq > 0 && wasSilent ? ended : known;
}

function lastKnown({ left, told, aliveTq }: LastRun): Since | undefined {
  const stamp = left.at(-1)?.stamp;
  if (stamp !== undefined) return { since: stamp.atUnixMs, tq: stamp.tq };
  const arrivals = told.flatMap(({ received, time }) => received ?? time ?? []);
  if (arrivals.length === 0) return undefined;
  return {
    since: Math.max(...arrivals.map((at) => Math.round(decimalToNumber(at) * 1000))),
    tq: aliveTq,
  };
}
