/**
 * The outbox: sealed statements, from the transaction that seals them until a receipt for them was verified, and then as long as
 * `keepReceipted` says, so that a log restored from a backup can ask for them again.
 *
 * It is bounded. When statements without a receipt fill `maxBytes`, either nothing more is taken from the sources (`stop`), or the oldest
 * such statements are let go (`drop-oldest`); what was let go is remembered here until a gap event tells of it.
 * Memory doesn't grow with it: statements are read from disk when they are sent.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Time } from "./clock.ts";
import type { Query, Storage } from "./storage.ts";

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
export type Outgoing = { readonly id: number; readonly hash: Uint8Array; readonly bytes: Uint8Array };

/** Statements of one chain that were let go. */
export type Dropped = {
  readonly chain: number;
  readonly sub: string;
  readonly first: number;
  readonly last: number;
  readonly count: number;
  /** When the oldest of them was sealed, on the clock of that moment. */
  readonly since: number;
  readonly tq: number;
};

export type OutboxTotals = { readonly count: number; readonly bytes: number };

/** Part of the bound that only the agent's own `sys` statements may use when sources have to stop. */
const SYSTEM_SHARE = 1 / 16;
/** When more than this share is free again, the outbox is no longer full: gaps are told of, sources go on. */
const FREE_SHARE = 1 / 10;
/** What is let go at once is at least this share, so that not every statement lets another one go. */
const DROP_SHARE = 1 / 64;
/** Statements deleted in one transaction of pruning. */
const MAX_PRUNED = 2000;
const MAX_VACUUM_PAGES = 2000;

const FIELDS = "o.id, c.sub, o.seq, o.hash, o.size, o.state FROM outbox o JOIN chain c ON c.id = o.chain";

export class Outbox {
  readonly #storage: Storage;
  readonly #settings: OutboxSettings;
  readonly #statements: ReturnType<typeof prepare>;
  readonly #onChange = new Set<() => void>();
  #waiting: OutboxTotals;
  #receiptedBytes: number;
  /** Never reused within a run, so that a cursor over the outbox misses nothing. */
  #nextId: number;
  #full = false;

  constructor(storage: Storage, settings: OutboxSettings) {
    this.#storage = storage;
    this.#settings = settings;
    this.#statements = prepare(storage);
    this.#waiting = totals(storage, "state <> 1");
    this.#receiptedBytes = totals(storage, "state = 1").bytes;
    this.#nextId =
      storage.query<{ id: number }>("SELECT ifnull(max(id), 0) + 1 AS id FROM outbox").get()?.id ?? 1;
    this.#full = this.dropped().length > 0; // until a tenth is free
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

  /** Puts a statement in, within the transaction that moves its chain; where policy says so, lets the oldest go. */
  insert(chain: number, { seq, hash, bytes, time }: Sealed): void {
    const { insert, insertBytes } = this.#statements;
    const over = this.#waiting.bytes + bytes.length - this.#settings.maxBytes;
    if (over > 0 && this.#settings.whenFull === "drop-oldest") this.#dropOldest(over);
    const id = this.#nextId++;
    insert.run(id, chain, seq, hash, bytes.length, time.timeUnixMs, time.tq);
    insertBytes.run(id, bytes);
    this.#waiting = { count: this.#waiting.count + 1, bytes: this.#waiting.bytes + bytes.length };
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

  /** Gives a statement its receipt, within the transaction that keeps it; false where it has one. `place` is the number of its proof. */
  setReceipted(item: OutboxItem, receipt: number, place: number): boolean {
    if (this.#statements.receipted.run(receipt, place, item.id).changes !== 1) return false;
    this.#waiting = { count: this.#waiting.count - 1, bytes: this.#waiting.bytes - item.size };
    this.#receiptedBytes += item.size;
    return true;
  }

  /** Notes that the log advised against a statement, within a transaction. It stays, and still waits for a receipt. */
  setRefused(item: OutboxItem): void {
    this.#statements.refuse.run(item.id);
  }

  /** What was let go and not told of yet. */
  dropped(): readonly Dropped[] {
    return this.#statements.dropped.all();
  }

  /** Forgets what a gap event now tells, within its transaction; unless more was let go meanwhile, which the next gap then tells with it. */
  toldDropped({ chain, count }: Dropped): void {
    this.#statements.told.run(chain, count);
  }

  /**
   * Deletes receipted statements beyond what is to be kept, oldest first, and gives free pages back.
   *
   * @param beforeUnixS - commit times before this are old enough; null where the clock can't tell
   * @returns true if there is more to delete
   */
  prune(beforeUnixS: number | null): boolean {
    const { oldest, old, remove, removeBytes, orphans } = this.#statements;
    const over = this.#receiptedBytes - this.#settings.keepReceipted.maxBytes;
    let bytes = 0;
    const rows: { id: number; size: number }[] = [];
    for (const row of over > 0 ? oldest.iterate(MAX_PRUNED) : []) {
      if (bytes >= over) break;
      rows.push(row);
      bytes += row.size;
    }
    if (rows.length === 0 && beforeUnixS !== null) rows.push(...old.all(beforeUnixS, MAX_PRUNED));
    if (rows.length === 0) return false;
    this.#storage.transaction(() => {
      for (const { id } of rows) {
        remove.run(id);
        removeBytes.run(id);
      }
      orphans.run();
    });
    for (const { size } of rows) this.#receiptedBytes -= size;
    this.#storage.shrink(MAX_VACUUM_PAGES);
    return rows.length === MAX_PRUNED;
  }

  #dropOldest(overBytes: number): void {
    const { droppable, remove, removeBytes, drop } = this.#statements;
    const target = Math.max(overBytes, this.#settings.maxBytes * DROP_SHARE);
    let { count, bytes } = this.#waiting;
    let freed = 0;
    const rows: { id: number; chain: number; seq: number; size: number; sealed: number; tq: number }[] = [];
    for (const row of droppable.iterate()) {
      if (freed >= target) break;
      rows.push(row);
      freed += row.size;
    }
    for (const { id, chain, seq, size, sealed, tq } of rows) {
      remove.run(id);
      removeBytes.run(id);
      drop.run(chain, seq, seq, sealed, tq);
      count -= 1;
      bytes -= size;
    }
    this.#waiting = { count, bytes };
    this.#full = true;
  }

  #judgeFull(): void {
    const { maxBytes } = this.#settings;
    if (this.#waiting.bytes >= maxBytes) this.#full = true;
    else if (this.#waiting.bytes <= maxBytes * (1 - FREE_SHARE)) this.#full = false;
  }
}

function totals(storage: Storage, where: string): OutboxTotals {
  const row = storage
    .query<OutboxTotals>(`SELECT count(*) AS count, ifnull(sum(size), 0) AS bytes FROM outbox WHERE ${where}`)
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

type Prepared = {
  readonly next: Query<Outgoing & { size: number }>;
  readonly read: Query<Outgoing>;
  readonly find: Query<OutboxItem>;
  readonly dropped: Query<Dropped>;
  readonly oldest: Query<{ id: number; size: number }>;
  readonly old: Query<{ id: number; size: number }>;
  readonly droppable: Query<{
    id: number;
    chain: number;
    seq: number;
    size: number;
    sealed: number;
    tq: number;
  }>;
  readonly insert: StatementSync;
  readonly insertBytes: StatementSync;
  readonly receipted: StatementSync;
  readonly refuse: StatementSync;
  readonly remove: StatementSync;
  readonly removeBytes: StatementSync;
  readonly orphans: StatementSync;
  readonly drop: StatementSync;
  readonly told: StatementSync;
};

const prepare = (storage: Storage): Prepared => ({
  next: storage.query(
    "SELECT o.id, o.hash, o.size, s.bytes FROM outbox o JOIN statement s ON s.id = o.id WHERE o.state = ? AND o.state <> 1 AND o.id > ? ORDER BY o.id LIMIT ?",
  ),
  read: storage.query(
    "SELECT o.id, o.hash, s.bytes FROM outbox o JOIN statement s ON s.id = o.id WHERE o.id = ?",
  ),
  find: storage.query(`SELECT ${FIELDS} WHERE o.hash = ?`),
  dropped: storage.query(
    "SELECT d.chain, c.sub, d.first, d.last, d.count, d.since, d.tq FROM dropped d JOIN chain c ON c.id = d.chain ORDER BY d.chain",
  ),
  oldest: storage.query("SELECT id, size FROM outbox WHERE state = 1 ORDER BY id LIMIT ?"),
  old: storage.query(
    "SELECT o.id, o.size FROM outbox o JOIN receipt r ON r.id = o.receipt WHERE o.state = 1 AND r.time < ? ORDER BY o.id LIMIT ?",
  ),
  // The first statement of a chain tells what the others are: it stays.
  droppable: storage.query(
    "SELECT id, chain, seq, size, sealed, tq FROM outbox WHERE state <> 1 AND seq > 0 ORDER BY id",
  ),
  insert: storage.prepare(
    "INSERT INTO outbox (id, chain, seq, hash, size, sealed, tq) VALUES (?, ?, ?, ?, ?, ?, ?)",
  ),
  insertBytes: storage.prepare("INSERT INTO statement (id, bytes) VALUES (?, ?)"),
  receipted: storage.prepare(
    "UPDATE outbox SET state = 1, receipt = ?, place = ? WHERE id = ? AND state <> 1",
  ),
  refuse: storage.prepare("UPDATE outbox SET state = 2 WHERE id = ? AND state = 0"),
  remove: storage.prepare("DELETE FROM outbox WHERE id = ?"),
  removeBytes: storage.prepare("DELETE FROM statement WHERE id = ?"),
  orphans: storage.prepare(
    "DELETE FROM receipt WHERE id < (SELECT max(id) FROM receipt) AND id NOT IN (SELECT receipt FROM outbox WHERE receipt IS NOT NULL)",
  ),
  drop: storage.prepare(
    `INSERT INTO dropped (chain, first, last, count, since, tq) VALUES (?, ?, ?, 1, ?, ?)
     ON CONFLICT DO UPDATE SET first = min(first, excluded.first), last = max(last, excluded.last), count = count + 1`,
  ),
  told: storage.prepare("DELETE FROM dropped WHERE chain = ? AND count = ?"),
});
