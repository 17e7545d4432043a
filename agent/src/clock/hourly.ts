/**
 * How often something may happen, whatever a line brings: a meter that says another thing with each telegram must not fill the ledger with it.
 *
 * @module
 */
import type { Clock } from "./clock.ts";

const HOUR_MS = 3_600_000;

export class Hourly {
  readonly #most: number;
  readonly #clock: Pick<Clock, "monotonicMs">;
  #takenMs: readonly number[] = [];

  /** @param most - in any hour; Infinity sets no bound */
  constructor(most: number, clock: Pick<Clock, "monotonicMs">) {
    this.#most = most;
    this.#clock = clock;
  }

  /** Takes one; false where as many were taken within the hour before. */
  take(): boolean {
    if (this.#most === Infinity) return true;
    const nowMs = this.#clock.monotonicMs();
    this.#takenMs = this.#takenMs.filter((atMs) => atMs > nowMs - HOUR_MS);
    if (this.#takenMs.length >= this.#most) return false;
    this.#takenMs = [...this.#takenMs, nowMs];
    return true;
  }
}
