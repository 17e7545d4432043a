/**
 * A machine's clock: what it says, what the operating system knows of that, and how long the machine has been running.
 *
 * @module
 */
import type { TimeSource } from "../../agent/src/clock/system-time.ts";
import type { Schedule } from "./schedule.ts";
import { BEGIN_UNIX_MS } from "./world.ts";

export class MachineClock implements TimeSource {
  readonly #schedule: Schedule;
  #offsetMs = BEGIN_UNIX_MS;
  #startMs = 0;
  isSynchronised = true;

  constructor(schedule: Schedule) {
    this.#schedule = schedule;
  }

  readonly wallUnixMs = (): number => Math.floor(this.#offsetMs + this.#schedule.nowMs);
  readonly uptimeMs = (): number => this.#schedule.nowMs - this.#startMs;
  readonly synchronised = (): Promise<boolean> => Promise.resolve(this.isSynchronised);

  /** The clock jumps. */
  step(ms: number): void {
    this.#offsetMs += ms;
  }

  /** The machine starts. @param keepsTime - it has a clock with a battery; else it is 1970 again */
  boot(keepsTime: boolean): void {
    this.#startMs = this.#schedule.nowMs;
    this.isSynchronised = false;
    if (!keepsTime) this.#offsetMs = -this.#schedule.nowMs;
  }

  /** Somebody who knows tells it the time. */
  synchronise(): void {
    this.#offsetMs = BEGIN_UNIX_MS;
    this.isSynchronised = true;
  }
}
