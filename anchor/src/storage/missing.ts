/**
 * What a restore left to be done: the entries whose statements are missing, and how far the restored log has got since.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";

/** That this log was restored, and what became of it. */
export type Restored = {
  /** Entries that it was restored with. */
  readonly size: number;
  /** Size of the newest note that the log had signed: a database may have committed more. */
  readonly signed: number;
  /** The first of them whose statement was missing; `size` where none was. */
  readonly firstMissing: number;
  readonly timeUnixS: number;
  /** True once the devices were heard, and had nothing newer. */
  readonly heard: boolean;
  /** True once the operator went on without what is missing. */
  readonly givenUp: boolean;
};

export type MissingEntry = { readonly index: number; readonly hash: Uint8Array };

/** Reads and writes of the tables `missing` and `restored`. */
export class MissingStore {
  readonly #add: StatementSync;
  readonly #remove: StatementSync;
  readonly #count: StatementSync;
  readonly #newest: StatementSync;
  readonly #find: StatementSync;
  readonly #after: StatementSync;
  readonly #restored: StatementSync;
  readonly #begin: StatementSync;
  readonly #heard: StatementSync;
  readonly #giveUp: StatementSync;

  constructor(db: DatabaseSync) {
    this.#add = db.prepare("INSERT INTO missing(idx) VALUES (?)");
    this.#remove = db.prepare("DELETE FROM missing WHERE idx = ?");
    this.#count = db.prepare("SELECT count(*) AS count FROM missing");
    this.#newest = db.prepare("SELECT max(idx) AS idx FROM missing");
    this.#find = db.prepare(
      `SELECT idx FROM statements JOIN missing USING (idx) WHERE substr(hash, 1, 6) = substr(?1, 1, 6) AND hash = ?1`,
    );
    this.#after = db.prepare(
      'SELECT idx AS "index", hash FROM missing JOIN statements USING (idx) WHERE idx > ? ORDER BY idx LIMIT ?',
    );
    this.#restored = db.prepare("SELECT size, signed, first_missing, time, heard, given_up FROM restored");
    this.#begin = db.prepare("INSERT INTO restored VALUES (1, ?, ?, ?, ?, 0, 0)");
    this.#heard = db.prepare("UPDATE restored SET heard = 1");
    this.#giveUp = db.prepare("UPDATE restored SET given_up = 1");
  }

  add(index: number): void {
    this.#add.run(index);
  }

  remove(index: number): void {
    this.#remove.run(index);
  }

  count(): number {
    return Number(this.#count.get()?.["count"]);
  }

  /** Index of the newest entry whose statement is missing; -1 where none is. */
  newest(): number {
    return Number(this.#newest.get()?.["idx"] ?? -1);
  }

  /** Index of the entry with this hash, where its statement is missing. */
  find(hash: Uint8Array): number | undefined {
    const index = this.#find.get(hash)?.["idx"];
    return index === undefined ? undefined : Number(index);
  }

  /** Entries whose statements are missing, after log index `after`, at most `limit`. */
  after(after: number, limit: number): MissingEntry[] {
    return this.#after.all(after, limit) as MissingEntry[];
  }

  /** Undefined for a log that was never restored. */
  restored(): Restored | undefined {
    const row = this.#restored.get();
    if (row === undefined) return undefined;
    return {
      size: Number(row["size"]),
      signed: Number(row["signed"]),
      firstMissing: Number(row["first_missing"]),
      timeUnixS: Number(row["time"]),
      heard: row["heard"] === 1,
      givenUp: row["given_up"] === 1,
    };
  }

  begin(restored: Omit<Restored, "heard" | "givenUp">): void {
    const { size, signed, firstMissing, timeUnixS } = restored;
    this.#begin.run(size, signed, firstMissing, timeUnixS);
  }

  heard(): void {
    this.#heard.run();
  }

  giveUp(): void {
    this.#giveUp.run();
  }
}
