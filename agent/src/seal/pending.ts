/**
 * What of one stream is taken and not yet sealed, and how it becomes statements: by time, count or bytes, behind the opening of its chain.
 *
 * @module
 */
import { decimal, isEvidenceError, type Event } from "@tallystick/evidence";
import type { Timer } from "@tallystick/evidence/node";
import { Hourly } from "../clock/hourly.ts";
import type { Chains, ChainView, Declared } from "./chains.ts";
import type { StreamSettings } from "../config/config.ts";
import { declaredAfter } from "../sample/declared.ts";
import { baseName, MAX_PAYLOAD_BYTES, type Entry, type Journal } from "../storage/journal.ts";
import type { Log } from "../log.ts";
import type { Outbox } from "../outbox/outbox.ts";
import { itemsOf, packsOf } from "./packs.ts";
import { eventContent, openedContent, reopened, type Opens, type Order, type Sealer } from "./seal.ts";
import type { Register } from "../sources/source.ts";
import type { Timekeeping } from "../clock/timekeeping.ts";

export type PendingParts = {
  readonly iss: string;
  readonly sub: string;
  readonly seal: StreamSettings["seal"];
  /** Kind of the source, and seconds expected between its samples, 0 where they come as they come: what the chain's opening tells. */
  readonly source: string;
  readonly intervalS: number;
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

/** Times in any hour that a chain is closed because the source shows other names. */
const MAX_OPENINGS = 12;

export class Pending {
  readonly #parts: PendingParts;
  readonly #base: string;
  readonly #openings: Hourly;
  /** What the source has shown that its chain doesn't tell, where a new one has to wait for the hour. */
  #untold: Declared | undefined;
  /** A new chain has had to wait since the last one began. */
  #isHeldBack = false;
  #entries: Entry[];
  #items = 0;
  #bytes = 0;
  #sealing: Promise<unknown> | undefined;
  #cancelTimer: (() => void) | undefined;

  /** @param recovered - what an earlier run journalled and didn't seal */
  constructor(parts: PendingParts, recovered: readonly Entry[]) {
    this.#parts = parts;
    this.#base = baseName(parts.iss, parts.sub);
    this.#openings = new Hourly(MAX_OPENINGS, parts.time);
    this.#entries = [...recovered];
  }

  get last(): Entry | undefined {
    return this.#entries.at(-1);
  }

  /** Whether a statement is full. */
  get isFull(): boolean {
    const { maxItems, maxBytes } = this.#parts.seal;
    return this.#items >= maxItems || this.#bytes >= maxBytes;
  }

  append(entry: Entry, maxLossMs: number): void {
    this.#entries.push(entry);
    this.#items += itemsOf(entry);
    this.#bytes += entry.bytes.length;
    this.#parts.journal.append(entry, maxLossMs);
  }

  /**
   * Opens the chain, before its first reading and whenever the source shows names that weren't told of. Where it shows others again and again, its readings
   * go on under what the chain tells, and a new one tells all of it once the hour allows.
   */
  async declare(seen: Shown): Promise<void> {
    const { sub, chains, sealer, time, log } = this.#parts;
    const chain = chains.get(sub);
    const known = chain === undefined || chain.closed ? undefined : chain.declared;
    const declared = this.#declared(known, seen);
    const opens = declared === undefined ? undefined : this.#opens(declared, known);
    if (opens === undefined) return;
    if (known !== undefined && !this.#openings.take()) {
      if (!this.#isHeldBack)
        log.warn(
          { stream: sub },
          `${sub}: the source shows other names again and again: after ${MAX_OPENINGS} new chains in an hour its readings go on in the last`,
        );
      this.#isHeldBack = true;
      this.#untold = declared;
      return;
    }
    this.#isHeldBack = false;
    this.#untold = undefined;
    if (known !== undefined)
      log.info({ stream: sub }, `${sub}: the source shows other names: a new chain begins`);
    await sealer.seal((view) => {
      const now = time.now();
      const open: Order = { sub, time: now, content: { opens } };
      if (known === undefined) return [open];
      const closed = eventContent({ kind: "stream-closed", reason: "the source shows other names" });
      return [...this.orders(view), { sub, time: now, content: closed, closes: true }, open];
    });
  }

  /** What a new chain has to tell, with all that had to wait; undefined where that is what the chain there tells. */
  #declared(known: Declared | undefined, seen: Shown): Declared | undefined {
    const { source } = this.#parts;
    const untold = known === undefined ? undefined : this.#untold;
    if (untold === undefined) return declaredAfter(known, { source, ...seen });
    // What had to wait may have come and gone since.
    const { names } = declaredAfter(untold, { source, ...seen }) ?? untold;
    const declared = declaredAfter(known, { source, ...seen, registers: names });
    if (declared === undefined) this.#untold = undefined;
    return declared;
  }

  /** What to open a chain with; without names where the source's can't be encoded, undefined where that would say nothing new. */
  #opens(declared: Declared, known: Declared | undefined): Opens["opens"] | undefined {
    const interval = decimal(Math.round(this.#parts.intervalS));
    if (fits({ ...declared, interval })) return { ...declared, interval };
    return known === undefined ? { source: declared.source, names: [], interval } : undefined;
  }

  /** Seals what is pending now, unless there is no room for it. */
  async seal(): Promise<void> {
    while (this.#sealing !== undefined) await this.#sealing; // what came since isn't in that one
    if (this.#entries.length === 0 || this.#parts.outbox.stopped) return;
    const sealed = this.#parts.sealer.seal((view) => this.orders(view));
    this.#sealing = sealed.finally(() => {
      this.#sealing = undefined;
    });
    await this.#sealing;
  }

  /** Sees to it that what is pending is sealed before it is older than `seal.maxWaitMs`; where there is no room then, once there is. */
  sealInTime(signal: AbortSignal): void {
    const { timer, seal } = this.#parts;
    if (this.#entries.length === 0) return;
    this.#cancelTimer ??= timer.after(seal.maxWaitMs, () => void this.#sealLater(signal));
  }

  async #sealLater(signal: AbortSignal): Promise<void> {
    this.#cancelTimer = undefined;
    try {
      await this.#parts.outbox.room(signal);
      await this.seal();
    } catch (error) {
      this.#parts.fail(error);
    }
  }

  /** Takes all that is pending: from here on it is the sealer's. */
  orders(view: ChainView): readonly Order[] {
    const { sub, journal, seal, time, intervalS } = this.#parts;
    const entries = this.#entries;
    if (entries.length === 0) return [];
    this.#entries = [];
    this.#items = 0;
    this.#bytes = 0;
    this.cancel();
    let declared = view.get(sub)?.declared;
    const packs = packsOf(this.#base, entries, seal).map((pack): Order => {
      const [first] = pack.entries;
      const changed = first?.what.kind === "event" ? meterAfter(declared, first.what.event) : undefined;
      declared = changed ?? declared;
      return {
        sub,
        time: time.sealTime(pack.stamp),
        content: pack.content,
        level: pack.level,
        commit: (_row, hash) => journal.remove(pack.entries, hash),
        ...(changed === undefined ? {} : { declares: changed }),
      };
    });
    return [...reopened(sub, view, { now: time.now(), intervalS }), ...packs];
  }

  /** Nothing more is sealed by time. */
  cancel(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }
}

/** What a sample shows of its source. */
type Shown = { readonly registers: readonly Register[]; readonly meter?: string };

/** Whether a statement can hold this opening, whatever it says of the chain before. */
function fits(opens: Opens["opens"]): boolean {
  try {
    const before = { ch: new Uint8Array(8), seq: Number.MAX_SAFE_INTEGER, hash: new Uint8Array(32) };
    const content = openedContent(opens, before);
    return content.type === "event" && content.payload.length <= MAX_PAYLOAD_BYTES;
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return false;
  }
}

/** What is known of the source after an event of it. */
const meterAfter = (declared: Declared | undefined, event: Event): Declared | undefined =>
  declared !== undefined && event.kind === "meter-changed" ? { ...declared, meter: event.new } : undefined;
