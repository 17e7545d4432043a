/**
 * Chains and how far each is held. A bounded number of them is kept in memory, so that a statement that follows its
 * predecessor needs no look into the database.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { toHex } from "@tallystick/evidence";

/** One chain. The object in memory is the truth while a transaction is open; `save` writes it back before the commit. */
export type Chain = {
  readonly id: number;
  readonly iss: string;
  readonly sub: string;
  readonly ch: Uint8Array;
  /** Lowest and highest seq held, and how many. */
  first: number;
  last: number;
  count: number;
  /** Hash of the statement at `last`. */
  lastHash: Uint8Array;
  /** Log index of its stream-opened; null while that is missing. */
  opened: number | null;
  /** The chain whose stream-opened names this one's head: nothing may follow that head here. */
  successor: number | null;
};

/** What is listed of a chain. */
export type ChainSummary = Pick<Chain, "iss" | "sub" | "ch" | "first" | "last" | "count">;

/** As listed, with its row. */
export type ListedChain = Pick<Chain, "id" | "iss" | "sub" | "ch" | "first" | "last">;

/** Chains kept in memory: about 300 bytes each. */
const MAX_CACHED = 50_000;

/** Reads and writes of the table `chains`. */
export class ChainStore {
  readonly #find: StatementSync;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;
  readonly #newest: StatementSync;
  readonly #list: StatementSync;
  readonly #lastOf: StatementSync;
  readonly #ofDevices: StatementSync;
  readonly #byId: StatementSync;
  /** Least recently used first, once half of them are there. */
  readonly #cached = new Map<string, Chain>();
  /** Changed since the last `save`; never evicted. */
  readonly #changed = new Set<Chain>();

  constructor(db: DatabaseSync) {
    const columns = `id, iss, sub, ch, first, last, count, opened, successor,
      (SELECT hash FROM statements WHERE chain = chains.id AND seq = chains.last) AS "lastHash"`;
    this.#find = db.prepare(`SELECT ${columns} FROM chains WHERE iss = ? AND sub = ? AND ch = ?`);
    this.#insert = db.prepare(
      "INSERT INTO chains(iss, sub, ch, first, last, count, opened) VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    this.#update = db.prepare(
      "UPDATE chains SET first = ?, last = ?, count = ?, opened = ?, successor = ? WHERE id = ?",
    );
    this.#newest = db.prepare(
      `WITH RECURSIVE later(id) AS (SELECT ?3 UNION SELECT successor FROM chains JOIN later USING (id) WHERE successor IS NOT NULL)
       SELECT iss, sub, ch FROM chains WHERE iss = ?1 AND sub = ?2 AND opened IS NOT NULL AND id NOT IN (SELECT id FROM later WHERE id IS NOT NULL)
       ORDER BY opened DESC LIMIT 1`,
    );
    this.#list = db.prepare(
      "SELECT iss, sub, ch, first, last, count FROM chains WHERE ?1 IS NULL OR iss = ?1 ORDER BY iss, sub, id LIMIT ?2",
    );
    this.#lastOf = db.prepare(
      "SELECT chains.id, bytes FROM chains JOIN statements ON chain = chains.id AND seq = last WHERE sub = ? AND chains.id > ? ORDER BY chains.id LIMIT ?",
    );
    this.#byId = db.prepare("SELECT id, iss, sub, ch, first, last FROM chains WHERE id = ?");
    this.#ofDevices = db.prepare(
      "SELECT id, iss, sub, ch, first, last FROM chains WHERE id > ?1 AND (?2 IS NULL OR (iss >= ?2 AND iss < ?3)) ORDER BY id LIMIT ?4",
    );
  }

  /** A chain by its row, as it is listed. */
  byId(id: number): ListedChain | undefined {
    return this.#byId.get(id) as ListedChain | undefined;
  }

  /** Chains after row `after`, at most `limit`, in the order of their rows; `range`: only of devices from the first name to before the second. */
  after(after: number, limit: number, range?: readonly [from: string, before: string]): ListedChain[] {
    return this.#ofDevices.all(after, range?.[0] ?? null, range?.[1] ?? null, limit) as ListedChain[];
  }

  find(iss: string, sub: string, ch: Uint8Array): Chain | undefined {
    const name = `${iss} ${sub} ${toHex(ch)}`;
    let chain = this.#cached.get(name);
    if (chain !== undefined) {
      // Far from full nothing is forgotten, and the order of use need not be kept: it costs more than the look itself.
      if (2 * this.#cached.size < MAX_CACHED) return chain;
      this.#cached.delete(name);
    } else {
      const row = this.#find.get(iss, sub, ch);
      if (row === undefined) return undefined;
      chain = { ...row } as Chain;
    }
    this.#remember(name, chain);
    return chain;
  }

  /** Begins a chain with the first of its statements to arrive. Written at once, so that others can refer to it. */
  begin(given: Pick<Chain, "iss" | "sub" | "ch" | "lastHash" | "opened"> & { readonly seq: number }): Chain {
    const { iss, sub, ch, lastHash, opened, seq } = given;
    const { lastInsertRowid } = this.#insert.run(iss, sub, ch, seq, seq, 1, opened);
    const chain: Chain = {
      id: Number(lastInsertRowid),
      iss: ownCopy(iss),
      sub: ownCopy(sub),
      ch: ch.slice(),
      first: seq,
      last: seq,
      count: 1,
      lastHash,
      opened,
      successor: null,
    };
    this.#remember(`${iss} ${sub} ${toHex(ch)}`, chain);
    return chain;
  }

  /** To be called after a change, before the commit. */
  changed(chain: Chain): void {
    this.#changed.add(chain);
  }

  /** Writes what changed. */
  save(): void {
    for (const chain of this.#changed) this.saveOne(chain);
    this.#changed.clear();
  }

  /** Writes one chain now, for the queries that follow in the same transaction. */
  saveOne({ id, first, last, count, opened, successor }: Chain): void {
    this.#update.run(first, last, count, opened, successor, id);
  }

  /** The chain of a stream that was opened last, by log index; `successor`, and those that follow it, left out. */
  newest(iss: string, sub: string, successor: number | null): Chain | undefined {
    const row = this.#newest.get(iss, sub, successor);
    return row === undefined ? undefined : this.find(iss, sub, row["ch"] as Uint8Array);
  }

  /** Chains of one issuer, or of all, at most `limit`. */
  list(iss: string | undefined, limit: number): ChainSummary[] {
    return this.#list.all(iss ?? null, limit) as ChainSummary[];
  }

  /** The last statement of each chain of this name, of all devices: those of the chains after `id`, at most `limit`. */
  lastOf(
    sub: string,
    id: number,
    limit: number,
  ): { readonly id: number; readonly bytes: Uint8Array | null }[] {
    return this.#lastOf.all(sub, id, limit) as { id: number; bytes: Uint8Array | null }[];
  }

  #remember(name: string, chain: Chain): void {
    this.#cached.set(name, chain);
    if (this.#cached.size <= MAX_CACHED) return;
    for (const [oldest, candidate] of this.#cached) {
      if (this.#changed.has(candidate)) continue;
      this.#cached.delete(oldest);
      break;
    }
  }
}

/** A decoded text may be a slice that keeps its whole message in memory; names are ASCII. */
const ownCopy = (name: string): string => Buffer.from(name, "latin1").toString("latin1");
