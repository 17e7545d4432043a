/**
 * Hearing the devices before a restored log signs anything: any of them may hold a receipt of a newer tree than the one that was restored, which
 * would make this log the older of two histories.
 *
 * Each device that is online is asked for something, and sends its newest receipt with the answer. The hearing is over when all that are
 * online have sent theirs, or after a set time.
 *
 * @module
 */
import type { Time } from "../time.ts";

export type HearingLimits = {
  /** Time for the states of devices to arrive, after the broker was reached. */
  readonly settleMs: number;
  /** Longest wait. */
  readonly hearMs: number;
};

/** Devices that are kept in mind; further ones aren't waited for, only heard. */
const MAX_DEVICES = 10_000;

export class Hearing {
  readonly #limits: HearingLimits;
  readonly #time: Pick<Time, "after">;
  readonly #over = Promise.withResolvers<void>();
  /** Online, and not heard yet. */
  readonly #awaited = new Set<string>();
  readonly #heard = new Set<string>();
  #settled = false;
  /** Of the present connection. */
  #timers: readonly (() => void)[] = [];

  constructor(limits: HearingLimits, time: Pick<Time, "after">) {
    this.#limits = limits;
    this.#time = time;
  }

  /** Resolves when it is over. */
  get over(): Promise<void> {
    return this.#over.promise;
  }

  /** Devices whose receipt was looked at. */
  get heard(): number {
    return this.#heard.size;
  }

  /** Devices that are online and have not sent a receipt. */
  get awaited(): number {
    return this.#awaited.size;
  }

  /** The broker was reached, and the states that it retains are on their way. */
  begin(): void {
    this.pause();
    const settled = this.#time.after(this.#limits.settleMs, () => {
      this.#settled = true;
      this.#look();
    });
    const over = this.#time.after(this.#limits.hearMs, () => this.#over.resolve());
    this.#timers = [settled, over];
  }

  /** The broker is gone: the wait begins anew with the next connection. Who was heard stays heard. */
  pause(): void {
    for (const cancel of this.#timers) cancel();
    this.#timers = [];
    this.#settled = false;
  }

  state(iss: string, state: "online" | "offline"): void {
    if (state === "offline") this.#awaited.delete(iss);
    else if (!this.#heard.has(iss) && this.#awaited.size < MAX_DEVICES) this.#awaited.add(iss);
    this.#look();
  }

  /** A receipt of this device was looked at, and is no reason to stop. */
  receipt(iss: string): void {
    this.#awaited.delete(iss);
    if (this.#heard.size < MAX_DEVICES) this.#heard.add(iss);
    this.#look();
  }

  #look(): void {
    if (this.#settled && this.#heard.size > 0 && this.#awaited.size === 0) this.#over.resolve();
  }
}
