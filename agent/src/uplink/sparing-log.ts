/**
 * A log that says of one thing once in a while: what comes from the network may come as often as somebody likes.
 *
 * @module
 */
import type { Clock } from "../clock/clock.ts";
import type { Log } from "../log.ts";

const EVERY_MS = 60_000;

export class SparingLog {
  readonly #log: Log;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #saidMs = new Map<string, number>();

  constructor(log: Log, clock: Pick<Clock, "monotonicMs">) {
    this.#log = log;
    this.#clock = clock;
  }

  /** @param what - of a closed table, never a word of the wire's: each is remembered, and said for itself */
  say(
    level: "warn" | "error",
    what: string,
    about: Readonly<Record<string, string | number>>,
    message: string,
  ): void {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - (this.#saidMs.get(what) ?? -Infinity) < EVERY_MS) return;
    this.#saidMs.set(what, nowMs);
    this.#log[level](about, message);
  }
}
