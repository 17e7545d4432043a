/**
 * What has to be done once in a while: look at the system's clock, note time and counters, sign gaps for what was let go, prune.
 *
 * @module
 */
import { sleep, type Timer } from "@tallystick/evidence/node";
import { PROCESS_SCOPE, type Counters } from "./storage/counters.ts";
import type { LineState } from "./uplink/line-state.ts";
import type { Outbox } from "./outbox/outbox.ts";
import type { SourceCounters } from "./sources/source.ts";
import type { SamplerCounters } from "./sample/sample.ts";
import type { Storage } from "./storage/storage.ts";
import type { System } from "./self/system.ts";
import type { Timekeeping } from "./clock/timekeeping.ts";

/** The counters of one stream, as its source and its sampler keep them. */
export type Counted = {
  readonly sub: string;
  readonly source: SourceCounters;
  readonly sampler: SamplerCounters;
};

export type HousekeepingParts = {
  readonly storage: Storage;
  readonly outbox: Outbox;
  readonly counters: Counters;
  readonly time: Timekeeping;
  readonly timer: Timer;
  readonly system: System;
  readonly line: LineState;
  /** Bytes that this process has had written to storage so far; undefined where nobody can tell. */
  readonly written: () => number | undefined;
  /** Days that receipted statements are kept. */
  readonly keepDays: number;
};

const ROUND_MS = 60_000;
/** Notes younger than this aren't written again by a round. */
const FRESH_MS = ROUND_MS / 2;
/** A round that takes longer hangs; pruning counts step by step. */
const OVERDUE_MS = 5 * ROUND_MS;
const ROUNDS_PER_PRUNING = 60;
/** A clock that was set within this time tells no age: one that was set wrong may be put right before anything is deleted by it. */
const SETTLED_MS = ROUNDS_PER_PRUNING * ROUND_MS;
const DAY_S = 86_400;

export class Housekeeping {
  readonly #parts: HousekeepingParts;
  readonly #counted: Counted[] = [];
  #notedMs = -Infinity;
  #movedMs = Infinity;
  /** When the clock was set last: at the start, or at a step since. */
  #steppedMs = 0;

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
  }

  /** Takes a stream's counters in. */
  takeIn(counted: Counted): void {
    this.#counted.push(counted);
  }

  /** Goes round until `signal` is aborted, then notes once more. @throws EvidenceError `storage-failed`; what the signer throws */
  async run(signal: AbortSignal): Promise<void> {
    for (let round = 0; !signal.aborted; round++) {
      this.#movedMs = this.#parts.time.monotonicMs();
      await this.#round(round);
      await sleep(this.#parts.timer, ROUND_MS, signal);
    }
    this.#notedMs = -Infinity;
    this.#parts.storage.transaction(() => this.note());
  }

  /** Resolves where rounds come in time; else never. */
  async punctual(): Promise<void> {
    if (this.#parts.time.monotonicMs() - this.#movedMs > OVERDUE_MS) await new Promise(() => {});
  }

  /**
   * Notes time and counters within a transaction, unless that was done a moment ago. Sealing calls this in its own transactions, which
   * spares the flash one of ours.
   */
  note(): void {
    const { time } = this.#parts;
    const nowMs = time.monotonicMs();
    if (nowMs - this.#notedMs < FRESH_MS) return;
    this.#notedMs = nowMs;
    this.count();
    this.#parts.line.note();
    time.persist();
    this.#parts.counters.persist();
  }

  /** Brings the counters up to what sources, samplers and the process itself have counted. */
  count(): void {
    const { counters, time, written } = this.#parts;
    counters.total(PROCESS_SCOPE, "run-s", Math.floor(time.monotonicMs() / 1000));
    counters.total(PROCESS_SCOPE, "flash-bytes", written() ?? 0);
    for (const { sub, source, sampler } of this.#counted) {
      counters.total(sub, "frames-good", source.framesGood);
      counters.total(sub, "bytes-skipped", source.bytesSkipped);
      counters.total(sub, "reconnects", source.reconnects);
      for (const [code, n] of source.framesBad) counters.total(sub, `frames-bad-${code}`, n);
      counters.total(sub, "passed-over", sampler.passedOver);
      counters.total(sub, "repeats", sampler.repeats);
      counters.total(sub, "conflicts", sampler.conflicts);
      counters.total(sub, "unconfirmed-meters", sampler.unconfirmedMeters);
    }
  }

  async #round(round: number): Promise<void> {
    const { time, timer, system, storage, outbox, keepDays } = this.#parts;
    const step = await time.check();
    if (step !== undefined) {
      this.#steppedMs = time.monotonicMs();
      await system.tellStep(step);
    }
    await system.tellDropped();
    await system.tellOmitted();
    await system.tellRefused();
    if (time.monotonicMs() - this.#notedMs >= FRESH_MS) storage.transaction(() => this.note());
    if (round % ROUNDS_PER_PRUNING !== 0 && !outbox.isOverdue) return;
    const { timeUnixMs, tq } = time.now();
    // Only a clock that is known to be right can tell how long ago anything was.
    const isSettled = tq >= 2 && time.monotonicMs() - this.#steppedMs >= SETTLED_MS;
    const before = isSettled ? Math.floor(timeUnixMs / 1000) - keepDays * DAY_S : null;
    while (outbox.prune(before)) {
      this.#movedMs = time.monotonicMs();
      await new Promise<void>((resolve) => timer.after(0, resolve));
    }
  }
}
