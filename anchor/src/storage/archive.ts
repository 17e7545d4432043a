/**
 * The archive: every admitted statement under its log index, found again by hash, by its place in a chain, or as a registry
 * item by number; and the forks, which were refused and are kept as evidence.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { HASH_BYTES } from "@tallystick/evidence";
import { storageFailed } from "./database.ts";

/** A statement as held. `chain` is null for a registry item, `bytes` where the statement was erased; both, and `seq` is -1, where it is missing. */
export type Held = {
  readonly index: number;
  readonly hash: Uint8Array;
  readonly chain: number | null;
  readonly seq: number;
  readonly bytes: Uint8Array | null;
};

/** A number of a chain, and where it is in the log. */
export type PlaceOf = { readonly index: number; readonly seq: number };

/** What was found among some numbers of a chain, which were looked at up to `reached`; that is null where there were no more. */
export type Look = { readonly found: PlaceOf | undefined; readonly reached: number | null };

/** A refused statement that contradicts an admitted one. */
export type Fork = {
  readonly hash: Uint8Array;
  readonly timeUnixS: number;
  readonly iss: string;
  readonly sub: string;
  readonly bytes: Uint8Array;
};

/** Reads and writes of the tables `statements`, `registry` and `forks`. */
export class Archive {
  readonly #append: StatementSync;
  readonly #db: DatabaseSync;
  #fill: StatementSync | undefined;
  readonly #openings: StatementSync;
  readonly #itemsBelow: StatementSync;
  readonly #byHash: StatementSync;
  readonly #byPlace: StatementSync;
  readonly #page: StatementSync;
  readonly #index: StatementSync;
  readonly #lookUp: StatementSync;
  readonly #lookDown: StatementSync;
  readonly #entries: StatementSync;
  readonly #appendItem: StatementSync;
  readonly #items: StatementSync;
  readonly #addFork: StatementSync;
  readonly #forks: StatementSync;
  readonly #countForks: StatementSync;

  constructor(db: DatabaseSync) {
    const columns = 'idx AS "index", hash, chain, seq, bytes';
    this.#append = db.prepare("INSERT INTO statements(idx, hash, chain, seq, bytes) VALUES (?, ?, ?, ?, ?)");
    this.#db = db;
    this.#openings = db.prepare(
      `SELECT ${columns} FROM statements WHERE idx >= ? AND seq = 0 AND chain IS NOT NULL AND bytes IS NOT NULL ORDER BY idx`,
    );
    this.#itemsBelow = db.prepare(
      "SELECT number + 1 AS count, hash FROM registry JOIN statements USING (idx) WHERE idx < ? ORDER BY number DESC LIMIT 1",
    );
    this.#byHash = db.prepare(
      `SELECT ${columns} FROM statements WHERE substr(hash, 1, 6) = substr(?1, 1, 6) AND hash = ?1`,
    );
    this.#byPlace = db.prepare(`SELECT ${columns} FROM statements WHERE chain = ? AND seq = ?`);
    this.#page = db.prepare(
      `SELECT ${columns} FROM statements WHERE chain = ? AND seq BETWEEN ? AND ? ORDER BY seq LIMIT ?`,
    );
    this.#index = db.prepare('SELECT idx AS "index" FROM statements WHERE chain = ? AND seq = ?');
    const some = (which: string, order: string): string =>
      `(SELECT idx, seq FROM statements WHERE chain = ?1 AND seq ${which} ?2 ORDER BY seq ${order} LIMIT ?4)`;
    this.#lookUp = db.prepare(
      `SELECT min(CASE WHEN idx < ?3 THEN seq END) AS seq, max(seq) AS reached, count(*) AS rows FROM ${some(">=", "ASC")}`,
    );
    this.#lookDown = db.prepare(
      `SELECT max(CASE WHEN idx < ?3 THEN seq END) AS seq, min(seq) AS reached, count(*) AS rows FROM ${some("<=", "DESC")}`,
    );
    this.#entries = db.prepare("SELECT hash FROM statements WHERE idx >= ? AND idx < ? ORDER BY idx");
    this.#appendItem = db.prepare("INSERT INTO registry(number, idx) VALUES (?, ?)");
    this.#items = db.prepare(
      `SELECT ${columns} FROM registry JOIN statements USING (idx) WHERE number >= ? AND number < ? ORDER BY number`,
    );
    this.#addFork = db.prepare(
      "INSERT INTO forks(hash, time, iss, sub, bytes) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    this.#forks = db.prepare(
      'SELECT hash, time AS "timeUnixS", iss, sub, bytes FROM forks ORDER BY time, hash LIMIT ?',
    );
    this.#countForks = db.prepare("SELECT count(*) AS count FROM forks");
  }

  append(index: number, hash: Uint8Array, chain: number | null, seq: number, bytes: Uint8Array | null): void {
    this.#append.run(index, hash, chain, seq, bytes);
  }

  /** Puts an entry in of whose statement nothing but the hash is known. */
  appendMissing(index: number, hash: Uint8Array): void {
    this.#append.run(index, hash, null, -1, null);
  }

  /** Gives an entry its statement, which was missing. One that was erased meanwhile gets its place back, and nothing more. */
  fill(index: number, chain: number, seq: number, bytes: Uint8Array): void {
    // Not before it is needed: who only reads may have a database of an older version, without that table.
    this.#fill ??= this.#db.prepare(
      "UPDATE statements SET chain = ?, seq = ?, bytes = CASE WHEN idx IN (SELECT idx FROM erased) THEN NULL ELSE ? END WHERE idx = ? AND seq = -1",
    );
    if (this.#fill.run(chain, seq, bytes, index).changes !== 1) {
      throw storageFailed(`entry ${index} is not one whose statement is missing`);
    }
  }

  /** The statements 0 of chains from log index `from` on. */
  *openings(from: number): Generator<Held & { readonly bytes: Uint8Array }, void, undefined> {
    for (const row of this.#openings.all(from)) yield row as Held & { readonly bytes: Uint8Array };
  }

  /** What the receipts of the tree of `size` say about the registry: how many items, and the hash of the last. */
  registryAt(size: number): { readonly count: number; readonly last: Uint8Array } | undefined {
    const row = this.#itemsBelow.get(size);
    return row && { count: Number(row["count"]), last: row["hash"] as Uint8Array };
  }

  appendItem(number: number, index: number): void {
    this.#appendItem.run(number, index);
  }

  byHash(hash: Uint8Array): Held | undefined {
    return this.#byHash.get(hash) as Held | undefined;
  }

  byPlace(chain: number, seq: number): Held | undefined {
    return this.#byPlace.get(chain, seq) as Held | undefined;
  }

  /** Statements of a chain with `from` <= seq <= `to`, at most `limit`, by seq. */
  page(chain: number, from: number, to: number, limit: number): Held[] {
    return this.#page.all(chain, from, to, limit) as Held[];
  }

  /** The first number of a chain from `seq` on that is in the tree of `size`, among the next `rows` that are held. */
  lookUp(chain: number, seq: number, size: number, rows: number): Look {
    return this.#look(this.#lookUp, chain, seq, size, rows);
  }

  /** The last one down from `seq`, likewise. */
  lookDown(chain: number, seq: number, size: number, rows: number): Look {
    return this.#look(this.#lookDown, chain, seq, size, rows);
  }

  #look(statement: StatementSync, chain: number, from: number, size: number, rows: number): Look {
    const row = statement.get(chain, from, size, rows) as {
      readonly seq: number | null;
      readonly reached: number | null;
      readonly rows: number;
    };
    const { seq, reached } = row;
    if (seq === null) return { found: undefined, reached: row.rows < rows ? null : reached };
    const index = Number(this.#index.get(chain, seq)?.["index"]);
    return { found: { index, seq }, reached };
  }

  /**
   * Ledger entries of the log indexes `from` up to, not including, `to`.
   *
   * @throws EvidenceError `storage-failed` where one is not there: the database is damaged
   */
  entries(from: number, to: number): Uint8Array[] {
    const hashes = this.#entries.all(from, to).map((row) => row["hash"] as Uint8Array);
    if (hashes.length !== to - from || hashes.some((hash) => hash.length !== HASH_BYTES)) {
      throw storageFailed(`entries ${from} to ${to} are not all stored`);
    }
    return hashes;
  }

  /** Registry items by number, `from` up to, not including, `to`. */
  *items(from: number, to: number): Generator<Held & { readonly bytes: Uint8Array }, void, undefined> {
    for (const row of this.#items.iterate(from, to)) {
      const held = row as Held;
      if (held.bytes === null) throw storageFailed(`registry item ${held.seq} has no bytes`);
      yield { ...held, bytes: held.bytes };
    }
  }

  countForks(): number {
    return Number(this.#countForks.get()?.["count"]);
  }

  /** False where it is kept already. */
  addFork(fork: Fork): boolean {
    return this.#addFork.run(fork.hash, fork.timeUnixS, fork.iss, fork.sub, fork.bytes).changes === 1;
  }

  forks(limit: number): Fork[] {
    return this.#forks.all(limit) as Fork[];
  }
}
