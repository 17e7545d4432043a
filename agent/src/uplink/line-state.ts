/**
 * How the line to the broker stands, and since when: for whoever looks from outside, after the process is gone too.
 *
 * @module
 */
import type { Clock, Time } from "../clock/clock.ts";
import type { Meta } from "../storage/meta.ts";

export type Line = Time & {
  readonly state: "up" | "down";
  /** Why it is down. */
  readonly reason: string;
};

const MAX_REASON = 300;

export class LineState {
  readonly #meta: Meta;
  readonly #clock: Pick<Clock, "now">;
  #now: Line | undefined;
  #noted = true;

  constructor(meta: Meta, clock: Pick<Clock, "now">) {
    this.#meta = meta;
    this.#clock = clock;
  }

  /** Undefined until a connection was had or failed. */
  get now(): Line | undefined {
    return this.#now;
  }

  up(): void {
    this.#set("up", "");
  }

  down(reason: string): void {
    this.#set("down", reason.slice(0, MAX_REASON));
  }

  /** Writes it down if it changed, within a transaction of the caller's. */
  note(): void {
    if (this.#noted || this.#now === undefined) return;
    this.#noted = true;
    this.#meta.set("line", JSON.stringify(this.#now));
  }

  /** It is since the first of several faults that the line is down. */
  #set(state: Line["state"], reason: string): void {
    const before = this.#now;
    if (before?.state === state && before.reason === reason) return;
    const since = before?.state === state ? before : this.#clock.now();
    this.#now = { state, reason, timeUnixMs: since.timeUnixMs, tq: since.tq };
    this.#noted = false;
  }
}

/** What an agent noted last; undefined where it has not. */
export function notedLine(meta: Meta): Line | undefined {
  const text = meta.text("line");
  return text === undefined ? undefined : (JSON.parse(text) as Line);
}
