/**
 * Commit times: by this machine's clock, which is set back now and then. Receipts sign them, and whoever finds them falling while the tree grows
 * believes none of them (`time-reversed`).
 *
 * @module
 */
import type { Logger } from "pino";

/**
 * So far the clock may stand before the newest commit and that one's time is said again: what a mistaken time zone or a start without a battery makes. Beyond it
 * the clock is believed: one glitch into the future must not hold the time for years.
 */
export const MAX_HELD_S = 7200;

/** @param newestUnixS - of the newest batch, where there is one */
export function commitTime(clockUnixS: number, newestUnixS = 0): number {
  const behindS = newestUnixS - clockUnixS;
  return behindS > 0 && behindS <= MAX_HELD_S ? newestUnixS : clockUnixS;
}

type ClockWatchOptions = {
  readonly nowUnixS: () => number;
  /** Commit time of the newest batch. */
  readonly newestUnixS: number;
  readonly logger: Pick<Logger, "warn">;
};

/** Tells that the clock stands before the newest commit: once, until it has caught up. */
export class ClockWatch {
  readonly #options: ClockWatchOptions;
  #newestUnixS: number;
  #isTold = false;

  constructor(options: ClockWatchOptions) {
    this.#options = options;
    this.#newestUnixS = options.newestUnixS;
  }

  /** To be called with the time of each batch, at once. */
  committed(timeUnixS: number): void {
    const behindS = this.#newestUnixS - this.#options.nowUnixS();
    this.#newestUnixS = timeUnixS;
    if (behindS > 0 && !this.#isTold)
      this.#options.logger.warn(
        { behindS, maxHeldS: MAX_HELD_S },
        "the clock stands before the newest commit: receipts say that one's time again, or, beyond maxHeldS, an earlier one; let NTP keep it",
      );
    this.#isTold = behindS > 0;
  }
}
