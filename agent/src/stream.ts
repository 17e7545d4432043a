/**
 * One stream, from samples to statements: journals what its source gives, seals it by time, count or bytes, opens its chain, and tells
 * where the source had to be left unread.
 *
 * @module
 */
import { decimal, isEvidenceError, type Event, type EvidenceError } from "@tallystick/evidence";
import type { Chains, Declared } from "./chains.ts";
import type { Timer } from "./clock.ts";
import type { StreamSettings } from "./config.ts";
import { declaredAfter } from "./declared.ts";
import { gapTime } from "./gaps.ts";
import { baseName, eventEntry, readingEntries, type Entry, type Journal, type Stamp } from "./journal.ts";
import type { Log } from "./log.ts";
import type { Outbox } from "./outbox.ts";
import { itemsOf, packsOf } from "./packs.ts";
import { eventContent, openedContent, type Opens, type Order, type Sealer } from "./seal.ts";
import type { Register, Sampled, Source } from "./source.ts";
import type { Storage } from "./storage.ts";
import type { Timekeeping } from "./timekeeping.ts";
import { Unread, type Since } from "./unread.ts";

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
  readonly #intervalS: number;
  readonly #unread: Unread;
  #pending: Entry[];
  #items = 0;
  #bytes = 0;
  #sealing: Promise<unknown> | undefined;
  #cancelTimer: (() => void) | undefined;

  /** @param recovered - what an earlier run journalled and didn't seal */
  constructor(parts: StreamParts, recovered: readonly Entry[]) {
    const { iss, settings, source, storage } = parts;
    this.#parts = parts;
    this.#sub = settings.name;
    this.#base = baseName(iss, settings.name);
    this.#intervalS = source.intervalS === 0 ? 0 : Math.max(source.intervalS, settings.everyS);
    this.#unread = new Unread(storage, settings.name);
    this.#pending = [...recovered];
  }

  /**
   * Takes samples until they end or `signal` is aborted; then what is pending is sealed, or left in the journal where there is no room.
   *
   * @throws EvidenceError `storage-failed`; what the source or the signer throws
   */
  async run(samples: AsyncIterable<Sampled>, signal: AbortSignal): Promise<void> {
    await this.#hold(signal);
    await this.#seal();
    for await (const sampled of samples) {
      await this.#take(sampled, signal);
      if (signal.aborted) break;
      await this.#hold(signal);
    }
    this.#cancelTimer?.();
    await this.#seal();
    this.#parts.journal.write();
  }

  /** Never waits for room in the outbox: that is {@link #hold}'s, which tells of it. */
  async #take(sampled: Sampled, signal: AbortSignal): Promise<void> {
    const { time, timer, outbox, settings } = this.#parts;
    const { maxItems, maxBytes, maxWaitMs } = settings.seal;
    const stamp = time.stamp();
    await this.#declare(sampled.kind === "readings" ? sampled : { registers: [] });
    for (const entry of this.#entriesOf(sampled, stamp)) this.#append(entry);
    if (this.#pending.at(-1)?.what.kind === "event") await this.#seal();
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
    const interval = decimal(Math.round(this.#intervalS));
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
    journal.take(entries);
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

  /** Leaves the source unread while the outbox is full, and afterwards tells of it. */
  async #hold(signal: AbortSignal): Promise<void> {
    const { outbox, time, log } = this.#parts;
    if (outbox.stopped && this.#unread.since === undefined) {
      this.#unread.begin(time.stamp());
      log.warn(
        { stream: this.#sub },
        `the outbox is full: ${this.#sub} is left unread until receipts make room`,
      );
    }
    if (this.#unread.since === undefined) return;
    await outbox.room(signal);
    if (outbox.stopped) return;
    await this.#tellUnread(this.#unread.since);
    log.info({ stream: this.#sub }, `the outbox has room again: ${this.#sub} is read`);
  }

  async #tellUnread(since: Since): Promise<void> {
    const { chains, sealer, time, storage } = this.#parts;
    const chain = chains.get(this.#sub);
    if (chain === undefined || chain.closed) return storage.transaction(() => this.#unread.end()); // nothing was promised yet
    await sealer.seal(() => {
      const now = time.now();
      const range = gapTime(since, now, time.monotonicMs());
      const seconds = Number(range.to.mantissa - range.from.mantissa) / 1000;
      const samples = this.#intervalS === 0 ? 0 : Math.floor(seconds / this.#intervalS);
      const count = samples * chain.declared.names.length; // 0 where nobody knows how many there would have been
      const content = eventContent({ kind: "gap", reason: "outbox-full", count, time: range });
      return [...this.#orders(), { sub: this.#sub, time: now, content, commit: () => this.#unread.end() }];
    });
  }
}

/** What is known of the source after an event of it. */
const meterAfter = (declared: Declared | undefined, event: Event): Declared | undefined =>
  declared !== undefined && event.kind === "meter-changed" ? { ...declared, meter: event.new } : undefined;
