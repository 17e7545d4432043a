/**
 * Time on the device. Sources, sealing and uplink get time from here and nowhere else, so that a test can own it.
 *
 * Two notions are kept apart: monotonic time, which orders and measures and is always right, and the time of day, which a
 * gateway without a battery-backed clock doesn't know after a power cut. The time of day is therefore always given with its
 * quality, and at quality 0 it must not be written down as a fact.
 *
 * @module
 */

/** How far the time of day can be believed: 0 unknown, 1 unsynchronised, 2 NTP or PTP, 3 GNSS or authenticated. */
export type TimeQuality = 0 | 1 | 2 | 3;

/** A moment of the device's clock. At `tq` 0 the number only orders moments of one run; no statement may carry it. */
export type Time = { readonly timeUnixMs: number; readonly tq: TimeQuality };

/** What readers of time get. */
export type Clock = {
  /** The time of day and its quality. Never runs backwards, except at a step that is recorded as an event. */
  now(): Time;
  /** Milliseconds since some fixed moment of this run; never steps. */
  monotonicMs(): number;
};

/** Monotonic milliseconds of this process. */
export const monotonicMs = (): number => performance.now();

/** The clock changed its mind about the time of day. */
export type ClockStep = {
  readonly beforeUnixMs: number;
  readonly afterUnixMs: number;
  /** Monotonic time of the step, so that readers can re-time what was sealed before it. */
  readonly uptimeMs: number;
  readonly tq: TimeQuality;
};

/** What the operating system says about its clock at one moment. */
export type SystemTime = {
  readonly wallUnixMs: number;
  readonly quality: "synchronised" | "plausible" | "unknown";
};

/** A difference against monotonic time above this is a step; below it, the clock is being slewed. */
export const STEP_MS = 1000;

/**
 * The device's clock: the last time known plus monotonic time, until the system's clock is known to be right.
 *
 * A system clock that nobody vouches for is not looked at: after a power cut it says 1970, or worse, something plausible.
 * A system clock that is vouched for but stands before this program was built isn't believed either.
 */
export class DeviceClock implements Clock {
  readonly #monotonicMs: () => number;
  readonly #buildUnixMs: number;
  readonly #startMs: number;
  #baseUnixMs: number;
  #baseMs: number;
  #tq: TimeQuality;
  #lastUnixMs = 0;

  /**
   * @param lastUnixMs - the newest time persisted by an earlier run, null if there is none; without it the time of day is
   *   unknown (quality 0) until the system's clock can be believed
   * @param buildUnixMs - when this program was built: no earlier time can be true
   */
  constructor(options: { lastUnixMs: number | null; buildUnixMs: number; monotonicMs: () => number }) {
    this.#monotonicMs = options.monotonicMs;
    this.#buildUnixMs = options.buildUnixMs;
    this.#startMs = options.monotonicMs();
    this.#baseMs = this.#startMs;
    this.#baseUnixMs = Math.max(options.lastUnixMs ?? 0, options.buildUnixMs);
    this.#tq = options.lastUnixMs === null ? 0 : 1;
  }

  now(): Time {
    const timeUnixMs = Math.floor(this.#baseUnixMs + (this.#monotonicMs() - this.#baseMs));
    this.#lastUnixMs = Math.max(this.#lastUnixMs, timeUnixMs); // slewing back a little must not reorder readings
    return { timeUnixMs: this.#lastUnixMs, tq: this.#tq };
  }

  /** Milliseconds since this clock was made. */
  monotonicMs(): number {
    return this.#monotonicMs() - this.#startMs;
  }

  /**
   * Takes in what the system says. Call it at start, before anything is sealed, and then at least once a minute.
   *
   * @returns the step, if the time of day or its quality changed: it belongs in the evidence
   */
  observe(system: SystemTime): ClockStep | undefined {
    const before = this.now();
    const believed = this.#believes(system, before);
    const tq = believed ? (system.quality === "synchronised" ? 2 : 1) : before.tq === 0 ? 0 : 1; // else free-running
    const afterUnixMs = believed ? Math.floor(system.wallUnixMs) : before.timeUnixMs;
    const stepped = Math.abs(afterUnixMs - before.timeUnixMs) > STEP_MS;
    this.#baseUnixMs = afterUnixMs;
    this.#baseMs = this.#monotonicMs();
    if (!stepped && tq === this.#tq) return undefined;
    this.#tq = tq;
    this.#lastUnixMs = afterUnixMs;
    return { beforeUnixMs: before.timeUnixMs, afterUnixMs, uptimeMs: this.monotonicMs(), tq };
  }

  #believes({ quality, wallUnixMs }: SystemTime, before: Time): boolean {
    if (quality === "unknown" || wallUnixMs < this.#buildUnixMs) return false;
    // An unsynchronised clock that stands before a time already known is wrong for certain.
    return quality === "synchronised" || wallUnixMs >= before.timeUnixMs - STEP_MS;
  }
}
