/**
 * Losses by a slow disk. While a transaction is written nothing else runs in this process: no byte is read, and no memory grows. A socket holds what
 * comes meanwhile, and slows its sender down; a serial line holds a few telegrams, and the rest is lost in the system without a word. So after such a
 * time the samples themselves are looked at, and what is missing between them is told.
 *
 * @module
 */
import { decimalToNumber } from "@tallystick/evidence";
import { samplesMissing } from "../seal/gaps.ts";
import type { Stamp } from "./journal.ts";
import type { Sampled } from "../sources/source.ts";
import type { Since } from "../sample/unread.ts";

/** The reason of such a gap. */
export const DISK_SLOW = "disk-slow";

/** Samples that were lost since then. */
export type Loss = { readonly since: Since; readonly samples: number };

/** What is known of the moment in which samples were taken. */
export type Taking = {
  readonly stamp: Stamp;
  readonly monotonicMs: number;
  /** How long the disk has kept this process busy so far. */
  readonly busyMs: number;
};

export class SlowDisk {
  readonly #intervalMs: number;
  #last: { readonly taking: Taking; readonly timeMs: number | undefined } | undefined;
  #slowUntilMs = -Infinity;

  /** @param intervalS - seconds expected between samples; where it is 0 nobody knows what was lost, and nothing is told */
  constructor(intervalS: number) {
    this.#intervalMs = intervalS * 1000;
  }

  /** When the newest samples were taken. */
  get last(): Since | undefined {
    return this.#last === undefined ? undefined : sinceOf(this.#last.taking.stamp);
  }

  /** To be called with each samples taken. @returns what a slow disk lost before them, if anything */
  took(samples: readonly Sampled[], taking: Taking): Loss | undefined {
    const last = this.#last;
    const timeMs = newestTimeMs(samples);
    this.#last = { taking, timeMs };
    if (last === undefined || this.#intervalMs === 0) return undefined;
    // What a serial line held comes first: the loss shows a moment after the disk was slow.
    if ((taking.busyMs - last.taking.busyMs) * 2 > this.#intervalMs)
      this.#slowUntilMs = taking.monotonicMs + 2 * this.#intervalMs;
    if (taking.monotonicMs > this.#slowUntilMs) return undefined;
    return this.#lossBetween(sinceOf(last.taking.stamp), last.timeMs, taking.stamp, timeMs);
  }

  /** By the device's own time, where it has a clock: what a socket held arrives late, and is no loss. */
  #lossBetween(
    last: Since,
    lastTimeMs: number | undefined,
    stamp: Stamp,
    timeMs: number | undefined,
  ): Loss | undefined {
    if (lastTimeMs === undefined || timeMs === undefined) {
      const samples = samplesMissing(last, stamp, this.#intervalMs / 1000) ?? 0;
      return samples > 0 ? { since: last, samples } : undefined;
    }
    const elapsedMs = timeMs - lastTimeMs;
    const samples = Math.round(elapsedMs / this.#intervalMs) - 1;
    if (samples <= 0) return undefined;
    return { since: { ...last, since: Math.min(last.since, stamp.atUnixMs - elapsedMs) }, samples };
  }
}

const sinceOf = ({ atUnixMs, tq, scale }: Stamp): Since => ({ since: atUnixMs, tq, scale });

/** The newest time that samples carry. */
function newestTimeMs(samples: readonly Sampled[]): number | undefined {
  const times = samples.flatMap((sampled) =>
    sampled.kind === "readings" ? sampled.readings.flatMap(({ time }) => time ?? []) : [],
  );
  return times.length === 0 ? undefined : Math.max(...times.map((time) => decimalToNumber(time) * 1000));
}
