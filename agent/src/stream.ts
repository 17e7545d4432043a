/**
 * One stream, from samples to statements: journals what its source gives, seals it by time, count or bytes, opens its chain, and tells
 * where the source was not read.
 *
 * Between the source and the journal there is no queue: a sample is pulled when the one before is on its way to the disk. While the outbox is full
 * the line to the source is closed, so that nothing that waited in a socket for hours is later taken for news. What is missing is told when
 * the first sample after it has come, which shows how much that is.
 *
 * @module
 */
import { decimal, isEvidenceError, type Event, type EvidenceError } from "@tallystick/evidence";
import type { Timer } from "@tallystick/evidence/node";
import type { Chains, Declared } from "./chains.ts";
import type { StreamSettings } from "./config.ts";
import { declaredAfter } from "./declared.ts";
import { gapTime, samplesMissing } from "./gaps.ts";
import { baseName, eventEntry, readingEntries, type Entry, type Journal, type Stamp } from "./journal.ts";
import type { Log } from "./log.ts";
import { OUTBOX_FULL, type Outbox } from "./outbox.ts";
import { itemsOf, packsOf } from "./packs.ts";
import { eventContent, openedContent, type Opens, type Order, type Sealer } from "./seal.ts";
import { DISK_SLOW, SlowDisk } from "./slow.ts";
import type { Register, Sampled, Source } from "./source.ts";
import type { Storage } from "./storage.ts";
import type { Timekeeping } from "./timekeeping.ts";
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
  #pending: Entry[];
  #items = 0;
  #bytes = 0;
  #sealing: Promise<unknown> | undefined;
  #cancelTimer: (() => void) | undefined;
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
    this.#pending = [...recovered];
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
    await this.#seal();
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
    this.#cancelTimer?.();
    await this.#seal();
    journal.write();
  }

  /** Never waits for room in the outbox: that is {@link #hold}'s. */
  async #take(samples: readonly Sampled[], signal: AbortSignal): Promise<void> {
    const { time, timer, outbox, settings, chains } = this.#parts;
    const { maxItems, maxBytes, maxWaitMs } = settings.seal;
    const stamp = time.stamp();
    const before = chains.get(this.#sub);
    const wasOpen = before !== undefined && !before.closed;
    for (const sampled of samples) {
      await this.#declare(sampled.kind === "readings" ? sampled : { registers: [] });
      if (sampled === samples[0]) await this.#tellMissing(samples, stamp, wasOpen);
      for (const entry of this.#entriesOf(sampled, stamp)) this.#append(entry);
      if (this.#pending.at(-1)?.what.kind === "event") await this.#seal();
    }
    while ((this.#items >= maxItems || this.#bytes >= maxBytes) && !outbox.stopped) await this.#seal();
    if (this.#pending.length > 0) {
      this.#cancelTimer ??= timer.after(maxWaitMs, () => void this.#sealLater(signal));
    }
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
    this.#pending.push(entry);
    this.#items += itemsOf(entry);
    this.#bytes += entry.bytes.length;
    this.#parts.journal.append(entry, this.#parts.settings.maxLossMs);
  }

  /** Opens the chain, before its first reading and whenever the source shows names that weren't told of. */
  async #declare(seen: { readonly registers: readonly Register[]; readonly meter?: string }): Promise<void> {
    const { chains, sealer, source, time, log } = this.#parts;
    const chain = chains.get(this.#sub);
    const known = chain === undefined || chain.closed ? undefined : chain.declared;
    const declared = declaredAfter(known, { source: source.kind, ...seen });
    const opens = declared === undefined ? undefined : this.#opens(declared, known);
    if (opens === undefined) return;
    if (known !== undefined)
      log.info({ stream: this.#sub }, `${this.#sub}: the source shows other names: a new chain begins`);
    await sealer.seal(() => {
      const now = time.now();
      const open: Order = { sub: this.#sub, time: now, content: { opens } };
      if (known === undefined) return [open];
      const closed = eventContent({ kind: "stream-closed", reason: "the source shows other names" });
      return [...this.#orders(), { sub: this.#sub, time: now, content: closed, closes: true }, open];
    });
  }

  /** What to open a chain with; without names where the source's can't be encoded, undefined where that would say nothing new. */
  #opens(declared: Declared, known: Declared | undefined): Opens["opens"] | undefined {
    const interval = decimal(Math.round(this.intervalS));
    try {
      openedContent({ ...declared, interval }, "none");
      return { ...declared, interval };
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      return known === undefined ? { source: declared.source, names: [], interval } : undefined;
    }
  }

  /** The time of a pack is up; where there is no room, it is sealed once there is. */
  async #sealLater(signal: AbortSignal): Promise<void> {
    this.#cancelTimer = undefined;
    try {
      await this.#parts.outbox.room(signal);
      await this.#seal();
    } catch (error) {
      this.#parts.fail(error);
    }
  }

  /** Seals what is pending now, unless there is no room for it. */
  async #seal(): Promise<void> {
    while (this.#sealing !== undefined) await this.#sealing; // what came since isn't in that one
    if (this.#pending.length === 0 || this.#parts.outbox.stopped) return;
    const sealed = this.#parts.sealer.seal(() => this.#orders());
    this.#sealing = sealed.finally(() => {
      this.#sealing = undefined;
    });
    await this.#sealing;
  }

  /** Takes all that is pending: from here on it is the sealer's. */
  #orders(): readonly Order[] {
    const { journal, settings, time, chains } = this.#parts;
    const entries = this.#pending;
    this.#pending = [];
    this.#items = 0;
    this.#bytes = 0;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    let declared = chains.get(this.#sub)?.declared;
    return packsOf(this.#base, entries, settings.seal).map((pack): Order => {
      const [first] = pack.entries;
      const changed = first?.what.kind === "event" ? meterAfter(declared, first.what.event) : undefined;
      declared = changed ?? declared;
      return {
        sub: this.#sub,
        time: time.sealTime(pack.stamp),
        content: pack.content,
        commit: () => journal.remove(pack.entries),
        ...(changed === undefined ? {} : { declares: changed }),
      };
    });
  }

  /** Leaves the source unread while the outbox is full. */
  async #hold(signal: AbortSignal): Promise<void> {
    const { outbox, time, storage, log } = this.#parts;
    if (!outbox.stopped || signal.aborted) return;
    if (this.#unread.absence === undefined) {
      const { atUnixMs, tq } = time.stamp();
      const since = this.#slow.last ?? { since: atUnixMs, tq };
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
    await sealer.seal(() => {
      const now = time.now();
      const range = gapTime(since, now, time.monotonicMs());
      const count = samples * (chains.get(this.#sub)?.declared.names.length ?? 0);
      const content = eventContent({ kind: "gap", reason, count, time: range });
      return [...this.#orders(), { sub: this.#sub, time: now, content, commit: () => this.#unread.end() }];
    });
  }
}

/** What is known of the source after an event of it. */
const meterAfter = (declared: Declared | undefined, event: Event): Declared | undefined =>
  declared !== undefined && event.kind === "meter-changed" ? { ...declared, meter: event.new } : undefined;
