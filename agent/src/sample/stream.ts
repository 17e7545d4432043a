/**
 * One stream, from samples to statements: journals what its source gives, has it sealed, and tells where the source was not read.
 *
 * Between the source and the journal there is no queue: a sample is pulled when the one before is on its way to the disk. While the outbox is full
 * the line to the source is closed, so that nothing that waited in a socket for hours is later taken for news. What is missing is told when
 * the first sample after it has come, which shows how much that is.
 *
 * @module
 */
import { isEvidenceError, type EvidenceError } from "@tallystick/evidence";
import type { Timer } from "@tallystick/evidence/node";
import type { Chains } from "../seal/chains.ts";
import type { StreamSettings } from "../config/config.ts";
import { gapTime, samplesMissing } from "../seal/gaps.ts";
import {
  baseName,
  eventEntry,
  readingEntries,
  type Entry,
  type Journal,
  type Stamp,
} from "../storage/journal.ts";
import type { Log } from "../log.ts";
import { OUTBOX_FULL, type Outbox } from "../outbox/outbox.ts";
import { Pending } from "../seal/pending.ts";
import { eventContent, type Sealer } from "../seal/seal.ts";
import { DISK_SLOW, SlowDisk } from "../storage/slow.ts";
import type { Sampled, Source } from "../sources/source.ts";
import type { Storage } from "../storage/storage.ts";
import type { Timekeeping } from "../clock/timekeeping.ts";
import { Unread, type Absence, type Since } from "./unread.ts";

export type StreamParts = {
  readonly iss: string;
  readonly settings: Pick<StreamSettings, "name" | "everyS" | "maxLossMs" | "seal">;
  readonly source: Pick<Source, "kind" | "intervalS">;
  readonly storage: Storage;
  readonly chains: Chains;
  readonly journal: Journal;
  readonly outbox: Outbox;
  readonly sealer: Sealer;
  readonly time: Timekeeping;
  readonly timer: Timer;
  readonly log: Log;
  /** Told when sealing that nobody waits for fails. */
  readonly fail: (error: unknown) => void;
};

export class Stream {
  readonly #parts: StreamParts;
  readonly #sub: string;
  readonly #base: string;
  /** Seconds expected between samples; 0 where they come as they come. */
  readonly intervalS: number;
  readonly #unread: Unread;
  readonly #pending: Pending;
  readonly #slow: SlowDisk;

  /** @param recovered - what an earlier run journalled and didn't seal */
  constructor(parts: StreamParts, recovered: readonly Entry[]) {
    const { iss, settings, source, storage } = parts;
    this.#parts = parts;
    this.#sub = settings.name;
    this.#base = baseName(iss, settings.name);
    this.intervalS = source.intervalS === 0 ? 0 : Math.max(source.intervalS, settings.everyS);
    this.#unread = new Unread(storage, settings.name);
    this.#slow = new SlowDisk(this.intervalS);
    const { name: sub, seal } = settings;
    const told = { sub, seal, source: source.kind, intervalS: this.intervalS };
    this.#pending = new Pending({ ...parts, ...told }, recovered);
  }

  /** Since when the source has not been read; undefined where nothing of it is untold. */
  get absence(): Absence | undefined {
    return this.#unread.absence;
  }

  /** Notes, within a transaction, that the source has not been read since then. */
  missed(since: Since, reason: string): void {
    this.#unread.begin(since, reason);
  }

  /**
   * Takes samples until `signal` is aborted; then what is pending is sealed, or left in the journal where there is no room.
   *
   * @param open - opens the line to the source; what it gives is pulled until it ends, and given back where the outbox is full
   * @throws EvidenceError `storage-full`, `storage-failed`; what the source or the signer throws
   */
  async run(open: () => AsyncIterable<readonly Sampled[]>, signal: AbortSignal): Promise<void> {
    const { outbox, journal } = this.#parts;
    await this.#hold(signal);
    await this.#pending.seal();
    let isOpen = !signal.aborted;
    while (isOpen) {
      isOpen = false;
      for await (const samples of open()) {
        await this.#take(samples, signal);
        isOpen = outbox.stopped && !signal.aborted;
        if (isOpen || signal.aborted) break; // which closes the line
      }
      await this.#hold(signal);
    }
    this.#pending.cancel();
    journal.write(); // a key in hardware may not sign before the process is ended
    await this.#pending.seal();
  }

  /** Never waits for room in the outbox: that is {@link #hold}'s. */
  async #take(samples: readonly Sampled[], signal: AbortSignal): Promise<void> {
    const { time, outbox, chains } = this.#parts;
    const pending = this.#pending;
    const stamp = time.stamp();
    const before = chains.get(this.#sub);
    const wasOpen = before !== undefined && !before.closed;
    for (const sampled of samples) {
      await pending.declare(sampled.kind === "readings" ? sampled : { registers: [] });
      if (sampled === samples[0]) await this.#tellMissing(samples, stamp, wasOpen);
      for (const entry of this.#entriesOf(sampled, stamp)) this.#append(entry);
      if (pending.last?.what.kind === "event") await pending.seal();
    }
    while (pending.isFull && !outbox.stopped) await pending.seal();
    pending.sealInTime(signal);
  }

  #entriesOf(sampled: Sampled, stamp: Stamp): readonly Entry[] {
    try {
      if (sampled.kind === "event") return [eventEntry(this.#sub, sampled.event, stamp)];
      const { readings } = sampled;
      // Readings without a time go into a statement that claims none either.
      const tq = readings.some(({ time }) => time === null) ? 0 : stamp.tq;
      const { maxItems } = this.#parts.settings.seal;
      return readingEntries(this.#base, { sub: this.#sub, readings, stamp: { ...stamp, tq }, maxItems });
    } catch (error) {
      if (!isEvidenceError(error) || error.disposition !== "refuse") throw error;
      return [this.#refused(sampled, stamp, error)];
    }
  }

  /** What can't be encoded can't be evidence: it is missing, and a gap says so. */
  #refused(sampled: Sampled, stamp: Stamp, { code, message }: EvidenceError): Entry {
    const { log, time } = this.#parts;
    log.warn({ stream: this.#sub, code }, `a sample of ${this.#sub} was refused: ${message}`);
    const count = sampled.kind === "readings" ? sampled.readings.length : 1;
    const range = gapTime({ since: stamp.atUnixMs, tq: stamp.tq }, time.now(), time.monotonicMs());
    return eventEntry(this.#sub, { kind: "gap", reason: `refused: ${code}`, count, time: range }, stamp);
  }

  #append(entry: Entry): void {
    this.#pending.append(entry, this.#parts.settings.maxLossMs);
  }

  /** Leaves the source unread while the outbox is full. */
  async #hold(signal: AbortSignal): Promise<void> {
    const { outbox, time, storage, log } = this.#parts;
    if (!outbox.stopped || signal.aborted) return;
    if (this.#unread.absence === undefined) {
      const { atUnixMs, tq, scale } = time.stamp();
      const since = this.#slow.last ?? { since: atUnixMs, tq, scale };
      storage.transaction(() => this.#unread.begin(since, OUTBOX_FULL));
    }
    log.warn(
      { stream: this.#sub },
      `the outbox is full: ${this.#sub} is left unread until receipts make room`,
    );
    while (outbox.stopped && !signal.aborted) await outbox.room(signal);
    if (!signal.aborted) log.info({ stream: this.#sub }, `the outbox has room again: ${this.#sub} is read`);
  }

  /** With the first sample after a time in which the source was not read, tells what is missing. */
  async #tellMissing(samples: readonly Sampled[], stamp: Stamp, wasOpen: boolean): Promise<void> {
    const { storage, time } = this.#parts;
    const { absence } = this.#unread;
    const lost = this.#slow.took(samples, {
      stamp,
      monotonicMs: time.monotonicMs(),
      busyMs: storage.busyMs,
    });
    if (absence === undefined) {
      if (lost !== undefined && wasOpen) await this.#tell(lost.since, DISK_SLOW, lost.samples);
      return;
    }
    const missing = samplesMissing(absence, stamp, this.intervalS);
    // Nothing was promised before the chain opened.
    if (wasOpen && missing !== 0) await this.#tell(absence, absence.reason, missing ?? 0);
    else storage.transaction(() => this.#unread.end());
  }

  /** @param samples - how many are missing; 0 where nobody knows */
  async #tell(since: Since, reason: string, samples: number): Promise<void> {
    const { chains, sealer, time } = this.#parts;
    await sealer.seal((view) => {
      const now = time.now();
      const range = gapTime(since, now, time.monotonicMs());
      const count = samples * (chains.get(this.#sub)?.declared.names.length ?? 0);
      const content = eventContent({ kind: "gap", reason, count, time: range });
      return [
        ...this.#pending.orders(view),
        { sub: this.#sub, time: now, content, commit: () => this.#unread.end() },
      ];
    });
  }
}
