/**
 * The outbox: sealed statements, from the transaction that seals them until a receipt for them was verified, and then as long as
 * `keepReceipted` says, so that a log restored from a backup can ask for them again.
 *
 * It is bounded. When statements without a receipt fill `maxBytes`, either nothing more is taken from the sources (`stop`), or the oldest
 * such statements are let go (`drop-oldest`); what was let go is remembered here until a gap event tells of it, and remembered again where that
 * event is let go itself. Memory doesn't grow with it: statements are read from disk when they are sent.
 *
 * @module
 */
import type { Time } from "../clock/clock.ts";
import { prepareOutbox, type Droppable } from "./queries.ts";
import type { Storage } from "../storage/storage.ts";

export type OutboxSettings = {
  readonly maxBytes: number;
  readonly whenFull: "stop" | "drop-oldest";
  readonly keepReceipted: { readonly days: number; readonly maxBytes: number };
};

/** Where a statement stands: waiting for a receipt, receipted, or waiting after the log advised against it. */
export const STATE = { waiting: 0, receipted: 1, refused: 2 } as const;

/** A sealed statement as it goes into the outbox. */
export type Sealed = {
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
  readonly time: Time;
};

/** A statement of the outbox without its bytes. */
export type OutboxItem = {
  readonly id: number;
  readonly sub: string;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly size: number;
  readonly state: number;
};

/** A statement with its bytes, to be sent. */
export type Outgoing = { readonly id: number; readonly bytes: Uint8Array };

/** Statements of one chain that were let go: `count` of the numbers `first` to `last`, by row of the chain. */
export type LetGo = {
  readonly chain: number;
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** When the oldest of them was sealed, on the clock of that moment. */
  readonly since: number;
  readonly tq: number;
};

/** Where a statement's receipt is: its row, the number of the statement's proof in it, and this statement's share of its bytes. */
export type Place = { readonly row: number; readonly place: number; readonly share: number };

/** What was let go and not told of yet. */
export type Dropped = LetGo & { readonly sub: string; readonly ch: Uint8Array };

export type OutboxTotals = { readonly count: number; readonly bytes: number };

/** The reason of gaps and of unread sources that this outbox is the cause of. */
export const OUTBOX_FULL = "outbox-full";
/** Part of the bound that only the agent's own `sys` statements may use when sources have to stop. */
const SYSTEM_SHARE = 1 / 16;
/** When more than this share is free again, the outbox is no longer full: gaps are told of, sources go on. */
const FREE_SHARE = 1 / 10;
/** What is let go at once is at least this share, so that not every statement lets another one go. */
const DROP_SHARE = 1 / 64;
/** Receipted bytes beyond their bound, as a share of it, that needn't wait for the hour to be pruned. */
const OVERDUE_SHARE = 1 / 8;
/** Statements deleted in one transaction of pruning. */
const MAX_PRUNED = 2000;
const MAX_VACUUM_PAGES = 2000;

export class Outbox {
  readonly #storage: Storage;
  readonly #settings: OutboxSettings;
  readonly #statements: ReturnType<typeof prepareOutbox>;
  readonly #onChange = new Set<() => void>();
  #waiting: OutboxTotals;
  /** Of statements with a receipt, their receipts included: those may take more room than the statements. */
  #receiptedBytes: number;
  /** Never reused within a run, so that a cursor over the outbox misses nothing. */
  #nextId: number;
  #full = false;
  #isDraining = false;

  constructor(storage: Storage, settings: OutboxSettings) {
    this.#storage = storage;
    this.#settings = settings;
    this.#statements = prepareOutbox(storage);
    this.#waiting = totals(storage, "state <> 1");
    this.#receiptedBytes = totals(storage, "state = 1", "size + share").bytes;
    this.#nextId =
      storage.query<{ id: number }>("SELECT ifnull(max(id), 0) + 1 AS id FROM outbox").get()?.id ?? 1;
    const unread = storage.query("SELECT 1 FROM stopped WHERE reason = ? LIMIT 1").get(OUTBOX_FULL);
    this.#full = this.dropped().length > 0 || unread !== undefined; // until a tenth is free
    this.#judgeFull();
  }

  /** Statements without a receipt. */
  get waiting(): OutboxTotals {
    return this.#waiting;
  }

  /** True from when the bound is reached until a tenth of it is free again. */
  get full(): boolean {
    return this.#full;
  }

  /** True where sources have to wait: the outbox is full, and nothing may be let go. */
  get stopped(): boolean {
    return this.#full && this.#settings.whenFull === "stop";
  }

  /** True where `sys` has to wait as well. */
  get systemStopped(): boolean {
    return this.stopped && this.#waiting.bytes > this.#settings.maxBytes * (1 + SYSTEM_SHARE);
  }

  /** True where receipts have made room since the last {@link told}: the log takes statements, even if the outbox stays full. */
  get isDraining(): boolean {
    return this.#isDraining;
  }

  /** True where much more is kept of receipted statements than should be. */
  get isOverdue(): boolean {
    return this.#receiptedBytes > this.#settings.keepReceipted.maxBytes * (1 + OVERDUE_SHARE);
  }

  /** Calls `listener` after each commit that put statements in or gave them receipts; the function returned ends that. */
  onChange(listener: () => void): () => void {
    this.#onChange.add(listener);
    return () => this.#onChange.delete(listener);
  }

  /** Resolves when sources may go on, or when `signal` is aborted. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.stopped && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const done = (): void => {
          off();
          signal.removeEventListener("abort", done);
          resolve();
        };
        const off = this.onChange(done);
        signal.addEventListener("abort", done);
      });
    }
  }

  /** To be called after each commit that touched the outbox. */
  changed(): void {
    this.#judgeFull();
    for (const listener of this.#onChange) listener();
  }

  /** Puts a statement in, within the transaction that moves its chain; where policy says so, lets the oldest go. @returns its row */
  insert(chain: number, { seq, hash, bytes, time }: Sealed, tells?: LetGo): number {
    const { insert, insertBytes, tell } = this.#statements;
    const over = this.#waiting.bytes + bytes.length - this.#settings.maxBytes;
    if (over > 0 && this.#settings.whenFull === "drop-oldest") this.#dropOldest(over);
    const id = this.#nextId++;
    insert.run(id, chain, seq, hash, bytes.length, time.timeUnixMs, time.tq);
    insertBytes.run(id, bytes);
    if (tells !== undefined)
      tell.run(id, tells.chain, tells.first, tells.last, tells.count, tells.since, tells.tq);
    this.#waiting = { count: this.#waiting.count + 1, bytes: this.#waiting.bytes + bytes.length };
    return id;
  }

  /** Statements that wait and were not refused, after row `afterId`, oldest first; at least one, if there is one. */
  next(afterId: number, maxItems: number, maxBytes: number): readonly Outgoing[] {
    return collect(this.#statements.next.iterate(STATE.waiting, afterId, maxItems), maxBytes);
  }

  /** Statements that the log advised against, to be tried again. */
  refused(afterId: number, maxItems: number, maxBytes: number): readonly Outgoing[] {
    return collect(this.#statements.next.iterate(STATE.refused, afterId, maxItems), maxBytes);
  }

  /** One statement with its bytes; undefined where it was let go or pruned. */
  read(id: number): Outgoing | undefined {
    return this.#statements.read.get(id);
  }

  find(hash: Uint8Array): OutboxItem | undefined {
    return this.#statements.find.get(hash);
  }

  /** Gives a statement its receipt, within the transaction that keeps it; one that it has already stays. */
  setReceipted(item: OutboxItem, { row, place, share }: Place): void {
    const { receipted, untell } = this.#statements;
    if (receipted.run(row, place, share, item.id).changes !== 1) return;
    untell.run(item.id);
    this.#isDraining = true;
    this.#waiting = { count: this.#waiting.count - 1, bytes: this.#waiting.bytes - item.size };
    this.#receiptedBytes += item.size + share;
  }

  /** Notes that the log advised against a statement, within a transaction. It stays, and still waits for a receipt. */
  setRefused(item: OutboxItem): void {
    this.#statements.refuse.run(item.id);
  }

  /** What was let go and not told of yet. */
  dropped(): readonly Dropped[] {
    return this.#statements.dropped.all();
  }

  /** Forgets what gaps of this transaction tell. To be called before any {@link insert} of it, which may let more go. */
  told(gaps: readonly LetGo[]): void {
    for (const { chain } of gaps) this.#statements.told.run(chain);
    if (gaps.length > 0) this.#isDraining = false;
  }

  /**
   * Deletes receipted statements beyond what is to be kept, oldest first, receipts that no statement has any more, chains that have ended and of which
   * nothing is here any more, and gives free pages back.
   *
   * @param beforeUnixS - old enough is what the log committed, and this device sealed, before this; null where the clock can't tell
   * @returns true if there is more to delete
   */
  prune(beforeUnixS: number | null): boolean {
    const { oldest, old, remove, removeBytes, orphans, endedChains } = this.#statements;
    const over = this.#receiptedBytes - this.#settings.keepReceipted.maxBytes;
    let bytes = 0;
    const rows: { id: number; size: number }[] = [];
    for (const row of over > 0 ? oldest.iterate(MAX_PRUNED) : []) {
      if (bytes >= over) break;
      rows.push(row);
      bytes += row.size;
    }
    if (rows.length === 0 && beforeUnixS !== null) rows.push(...old.all(beforeUnixS, MAX_PRUNED));
    const isMore = rows.length === MAX_PRUNED;
    const chains = this.#storage.transaction(() => {
      for (const { id } of rows) {
        remove.run(id);
        removeBytes.run(id);
      }
      if (rows.length > 0) orphans.run();
      return isMore ? 0 : endedChains.run(MAX_PRUNED).changes;
    });
    if (rows.length === 0 && chains === 0) return false;
    for (const { size } of rows) this.#receiptedBytes -= size;
    this.#storage.shrink(MAX_VACUUM_PAGES);
    return isMore || chains === MAX_PRUNED;
  }

  #dropOldest(overBytes: number): void {
    const target = Math.max(overBytes, this.#settings.maxBytes * DROP_SHARE);
    let freed = 0;
    const rows: Droppable[] = [];
    const { droppable, openings, heads } = this.#statements;
    for (const query of [droppable, openings, heads]) {
      // Openings go only where all else of their chains is gone and there still is no room; heads that a later opening names, last of all.
      if (query !== droppable && freed >= overBytes) break;
      for (const row of query.iterate()) {
        if (freed >= target) break;
        rows.push(row);
        freed += row.size;
      }
    }
    for (const row of rows) this.#letGo(row);
    this.#waiting = { count: this.#waiting.count - rows.length, bytes: this.#waiting.bytes - freed };
    this.#full = true;
  }

  #letGo({ id, chain, seq, sealed, tq }: Droppable): void {
    const { remove, removeBytes, drop, tells, untell } = this.#statements;
    const gap = tells.get(id);
    remove.run(id);
    removeBytes.run(id);
    drop.run(chain, seq, seq, 1, sealed, tq);
    if (gap === undefined) return;
    // What this statement would have told is untold again.
    drop.run(gap.chain, gap.first, gap.last, gap.count, gap.since, gap.tq);
    untell.run(id);
  }

  #judgeFull(): void {
    const { maxBytes } = this.#settings;
    if (this.#waiting.bytes >= maxBytes) this.#full = true;
    else if (this.#waiting.bytes <= maxBytes * (1 - FREE_SHARE)) this.#full = false;
  }
}

function totals(storage: Storage, where: string, size = "size"): OutboxTotals {
  const row = storage
    .query<OutboxTotals>(
      `SELECT count(*) AS count, ifnull(sum(${size}), 0) AS bytes FROM outbox WHERE ${where}`,
    )
    .get();
  return row ?? { count: 0, bytes: 0 };
}

function collect(rows: Iterable<Outgoing & { size: number }>, maxBytes: number): readonly Outgoing[] {
  const found: Outgoing[] = [];
  let bytes = 0;
  for (const row of rows) {
    bytes += row.size;
    if (found.length > 0 && bytes > maxBytes) break;
    found.push(row);
  }
  return found;
}
