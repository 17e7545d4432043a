/**
 * Keeps the device's clock honest over time and restarts: asks the system once a minute, persists the time, and hands on each step so that
 * it becomes evidence.
 *
 * @module
 */
import { DeviceClock, type Clock, type ClockStep, type Time } from "./clock.ts";
import type { Stamp } from "../storage/journal.ts";
import type { Meta } from "../storage/meta.ts";
import type { Storage } from "../storage/storage.ts";
import { askTime, type ClockTrust, type TimeSource } from "./system-time.ts";

export type TimekeepingParts = {
  readonly storage: Storage;
  readonly meta: Meta;
  readonly trust: ClockTrust;
  readonly source: TimeSource;
  readonly buildUnixMs: number;
  readonly monotonicMs: () => number;
};

export class Timekeeping implements Clock {
  readonly #parts: TimekeepingParts;
  readonly #clock: DeviceClock;
  #scale: number;
  /** The newest time that an earlier run persisted: the last moment that this device is known to have been alive. */
  readonly aliveUnixMs: number | undefined;
  /** How far that time could be believed; 0 where the time of day was not known. */
  readonly aliveTq: number;
  /**
   * As {@link aliveUnixMs}, of the newest run that read its sources. Runs since then that read none, or ended before they could, have moved the clock on
   * and nothing else: what was missed began before them.
   */
  readonly lastRead: { readonly unixMs: number | undefined; readonly tq: number };

  constructor(parts: TimekeepingParts) {
    const { storage, meta, buildUnixMs, monotonicMs } = parts;
    this.#parts = parts;
    this.aliveUnixMs = meta.number("time");
    this.aliveTq = this.aliveUnixMs === undefined ? 0 : (meta.number("tq") ?? 1);
    const read = meta.number("read-time");
    this.lastRead =
      read === undefined
        ? { unixMs: this.aliveUnixMs, tq: this.aliveTq }
        : { unixMs: read, tq: meta.number("read-tq") ?? 1 };
    this.#scale = (meta.number("scale") ?? 0) + 1;
    this.#clock = new DeviceClock({ lastUnixMs: this.aliveUnixMs ?? null, buildUnixMs, monotonicMs });
    storage.transaction(() => {
      meta.set("scale", this.#scale);
      const { unixMs, tq } = this.lastRead;
      if (unixMs === undefined) return;
      meta.set("read-time", unixMs);
      meta.set("read-tq", tq);
    });
  }

  /** From here on sources are read: to be called within the transaction that notes what was missed since {@link lastRead}. */
  reads(): void {
    this.#parts.meta.forget("read-time");
    this.#parts.meta.forget("read-tq");
  }

  now(): Time {
    return this.#clock.now();
  }

  monotonicMs(): number {
    return this.#clock.monotonicMs();
  }

  /** Now, as the journal keeps it. */
  stamp(): Stamp {
    const { timeUnixMs, tq } = this.now();
    return { atUnixMs: timeUnixMs, tq, scale: this.#scale };
  }

  /**
   * The time to seal something with that was taken at `stamp`: now, unless the clock has stepped since. Then it is sealed on the clock
   * that it was taken by, so that a reader who knows of the step can re-time it; and never at a better quality than either moment had.
   */
  sealTime(stamp: Stamp): Time {
    const now = this.now();
    if (stamp.scale === this.#scale || stamp.tq >= now.tq)
      return { timeUnixMs: now.timeUnixMs, tq: lower(stamp.tq, now.tq) };
    return { timeUnixMs: stamp.atUnixMs, tq: stamp.tq };
  }

  /** Asks the system for its time. @returns the step, where the clock or its quality changed */
  async check(): Promise<ClockStep | undefined> {
    const { trust, source, storage, meta } = this.#parts;
    const step = this.#clock.observe(await askTime(trust, source));
    if (step === undefined) return undefined;
    this.#scale += 1;
    storage.transaction(() => {
      meta.set("scale", this.#scale);
      this.persist();
    });
    return step;
  }

  /** Notes the time, within a transaction; a time that nobody knows is not noted. */
  persist(): void {
    const { timeUnixMs, tq } = this.now();
    if (tq === 0) return;
    this.#parts.meta.set("time", timeUnixMs);
    this.#parts.meta.set("tq", tq);
  }
}

const lower = (a: Time["tq"], b: Time["tq"]): Time["tq"] => (a < b ? a : b);
