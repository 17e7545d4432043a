/**
 * What to send, and when: the window of statements that have no receipt yet.
 *
 * A broker's acknowledgement means that somebody heard; only a verified receipt takes a statement out of the window. What has none after
 * a while is sent again, later each time. Statements that the log advised against leave the window, so that they
 * don't stand in the way of others, and are tried again, a few at a time, for as long as it takes.
 *
 * No I/O and no clock in here: the caller says what time it is.
 *
 * @module
 */
import { LIMITS } from "@tallystick/evidence";
import type { Outgoing } from "./outbox.ts";

export type WindowSettings = {
  /** Most statements, and bytes of them, that may be without a receipt at one time. */
  readonly maxStatements: number;
  readonly maxBytes: number;
  /** Wait before the first re-send; doubled from then on, up to `maxMs`. */
  readonly firstMs: number;
  readonly maxMs: number;
};

/** Where statements come from: the outbox fits. */
export type Supply = {
  next(afterId: number, maxItems: number, maxBytes: number): readonly Outgoing[];
  refused(afterId: number, maxItems: number, maxBytes: number): readonly Outgoing[];
  read(id: number): Outgoing | undefined;
};

/** Statements for one `up` message, in order. */
export type Message = { readonly items: readonly Outgoing[] };

type Sent = {
  readonly id: number;
  readonly size: number;
  attempts: number;
  sentMs: number;
  dueMs: number;
  acked: boolean;
};

/** Statements asked for again that are kept in mind; more are not: whoever asked will ask again. */
const MAX_WANTED = 4096;
/** Pause between messages of statements that were asked for again. */
const WANTED_PAUSE_MS = 1000;
/** Longest pause between tries of refused statements: an enrolment that was just approved shall not take long to be noticed. */
const MAX_PROBE_MS = 60_000;
/** A re-send falls this far, at random, to either side of its time: devices that lost one broker don't come back as one. */
const JITTER = 0.2;

export class Window {
  readonly #settings: WindowSettings;
  readonly #supply: Supply;
  readonly #random: () => number;
  /** Oldest first, as a map keeps its order. */
  readonly #sent = new Map<number, Sent>();
  #bytes = 0;
  #cursor = 0;
  readonly #wanted = new Set<number>();
  #wantedDueMs = 0;
  readonly #probe = { cursor: 0, items: 1, delayMs: 0, dueMs: 0 };
  /** After a refusal, new statements go out slowly until a receipt shows that the log takes them. */
  readonly #pause = { refused: false, delayMs: 0, untilMs: 0 };

  constructor(settings: WindowSettings, supply: Supply, random: () => number) {
    this.#settings = settings;
    this.#supply = supply;
    this.#random = random;
    this.#probe.delayMs = settings.firstMs;
    this.#pause.delayMs = settings.firstMs;
  }

  /** Statements in the window. */
  get size(): number {
    return this.#sent.size;
  }

  /** The next message that is due, if there is one; it counts as sent. */
  next(nowMs: number): Message | undefined {
    const items = this.#again(nowMs) ?? this.#fresh(nowMs) ?? this.#asked(nowMs) ?? this.#tried(nowMs);
    return items === undefined ? undefined : { items };
  }

  /** When {@link next}, which has nothing to say now, may have something again without having been told anything new. */
  dueMs(nowMs: number): number {
    let dueMs = Infinity;
    for (const sent of this.#sent.values()) dueMs = Math.min(dueMs, sent.dueMs);
    if (this.#pause.refused && this.#pause.untilMs > nowMs) dueMs = Math.min(dueMs, this.#pause.untilMs);
    if (this.#wanted.size > 0) dueMs = Math.min(dueMs, this.#wantedDueMs);
    return Math.min(dueMs, this.#probe.dueMs);
  }

  /** A connection is there (again): what no broker acknowledged is due, what one did is due if its receipt doesn't come soon. */
  connected(nowMs: number): void {
    for (const sent of this.#sent.values())
      sent.dueMs = sent.acked ? Math.min(sent.dueMs, nowMs + this.#settings.firstMs) : nowMs;
    this.#probe.dueMs = Math.min(this.#probe.dueMs, nowMs);
  }

  /** A broker heard these. */
  acked(ids: readonly number[]): void {
    for (const id of ids) {
      const sent = this.#sent.get(id);
      if (sent !== undefined) sent.acked = true;
    }
  }

  /** These have receipts now. `wasRefused`: some of them had been refused before. */
  receipted(ids: readonly number[], wasRefused: boolean, nowMs: number): void {
    let newestMs = -Infinity;
    for (const id of ids) {
      newestMs = Math.max(newestMs, this.#sent.get(id)?.sentMs ?? -Infinity);
      this.#forget(id);
    }
    // What was sent before something that has its receipt was probably lost: no need to wait out a long pause.
    for (const sent of this.#sent.values()) {
      if (sent.sentMs < newestMs) sent.dueMs = Math.min(sent.dueMs, nowMs + this.#settings.firstMs);
    }
    this.#pause.refused = false;
    this.#pause.delayMs = this.#settings.firstMs;
    if (!wasRefused) return;
    Object.assign(this.#probe, {
      items: Math.min(this.#probe.items * 2, LIMITS.maxUpItems),
      delayMs: this.#settings.firstMs,
      dueMs: nowMs,
    });
  }

  /** The log advised against these. */
  refused(ids: readonly number[], nowMs: number): void {
    for (const id of ids) this.#forget(id);
    this.#probe.items = 1;
    if (this.#probe.dueMs === Infinity) this.#scheduleProbe(nowMs);
    if (this.#pause.refused) return;
    this.#pause.refused = true;
    this.#pause.untilMs = nowMs + this.#jittered(this.#pause.delayMs);
  }

  /** Somebody asks for these again, receipted or not. */
  want(ids: readonly number[]): void {
    for (const id of ids) if (this.#wanted.size < MAX_WANTED) this.#wanted.add(id);
  }

  /** What was sent and is due again. */
  #again(nowMs: number): readonly Outgoing[] | undefined {
    const items: Outgoing[] = [];
    let bytes = 0;
    for (const sent of this.#sent.values()) {
      if (sent.dueMs > nowMs) continue;
      if (items.length === LIMITS.maxUpItems || bytes + sent.size > LIMITS.maxUpBytes) break;
      const item = this.#supply.read(sent.id);
      if (item === undefined) {
        this.#forget(sent.id); // a full outbox has let it go
        continue;
      }
      items.push(item);
      bytes += sent.size;
      this.#mark(sent, nowMs);
    }
    return nonEmpty(items);
  }

  /** What was never sent in this run, as far as the window has room. */
  #fresh(nowMs: number): readonly Outgoing[] | undefined {
    if (this.#pause.refused && nowMs < this.#pause.untilMs) return undefined;
    const { maxStatements, maxBytes, maxMs } = this.#settings;
    const maxItems = Math.min(LIMITS.maxUpItems, maxStatements - this.#sent.size);
    const room = maxBytes - this.#bytes;
    if (maxItems <= 0 || room <= 0) return undefined;
    const items = this.#supply.next(this.#cursor, maxItems, Math.min(LIMITS.maxUpBytes, room));
    for (const { id, bytes } of items) {
      const sent: Sent = { id, size: bytes.length, attempts: 0, sentMs: 0, dueMs: 0, acked: false };
      this.#mark(sent, nowMs);
      this.#sent.set(id, sent);
      this.#bytes += bytes.length;
      this.#cursor = id;
    }
    if (this.#pause.refused && items.length > 0) {
      this.#pause.delayMs = Math.min(this.#pause.delayMs * 2, maxMs);
      this.#pause.untilMs = nowMs + this.#jittered(this.#pause.delayMs);
    }
    return nonEmpty(items);
  }

  #asked(nowMs: number): readonly Outgoing[] | undefined {
    if (this.#wanted.size === 0 || nowMs < this.#wantedDueMs) return undefined;
    this.#wantedDueMs = nowMs + WANTED_PAUSE_MS;
    const items: Outgoing[] = [];
    let bytes = 0;
    for (const id of this.#wanted) {
      const item = this.#supply.read(id);
      bytes += item?.bytes.length ?? 0;
      if (items.length === LIMITS.maxUpItems || bytes > LIMITS.maxUpBytes) break;
      this.#wanted.delete(id);
      if (item !== undefined) items.push(item);
    }
    return nonEmpty(items);
  }

  /** Refused statements, tried again in turn: more at a time as long as that bears fruit. */
  #tried(nowMs: number): readonly Outgoing[] | undefined {
    const probe = this.#probe;
    if (nowMs < probe.dueMs) return undefined;
    let items = this.#supply.refused(probe.cursor, probe.items, LIMITS.maxUpBytes);
    if (items.length === 0 && probe.cursor > 0)
      items = this.#supply.refused(0, probe.items, LIMITS.maxUpBytes);
    probe.cursor = items.at(-1)?.id ?? 0;
    if (items.length === 0) probe.dueMs = Infinity;
    else this.#scheduleProbe(nowMs);
    return nonEmpty(items);
  }

  #scheduleProbe(nowMs: number): void {
    const probe = this.#probe;
    probe.dueMs = nowMs + this.#jittered(probe.delayMs);
    probe.delayMs = Math.min(probe.delayMs * 2, MAX_PROBE_MS, this.#settings.maxMs);
  }

  #mark(sent: Sent, nowMs: number): void {
    const { firstMs, maxMs } = this.#settings;
    sent.dueMs = nowMs + this.#jittered(Math.min(maxMs, firstMs * 2 ** Math.min(sent.attempts, 40)));
    sent.attempts += 1;
    sent.sentMs = nowMs;
    sent.acked = false;
  }

  #forget(id: number): void {
    const sent = this.#sent.get(id);
    if (sent === undefined) return;
    this.#sent.delete(id);
    this.#bytes -= sent.size;
  }

  #jittered(waitMs: number): number {
    return waitMs * (1 - JITTER + 2 * JITTER * this.#random());
  }
}

const nonEmpty = (items: readonly Outgoing[]): readonly Outgoing[] | undefined =>
  items.length > 0 ? items : undefined;
