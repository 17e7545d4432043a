/**
 * What was erased by order: which entries have no bytes any more, and the statement in the ledger that says so.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { BUSY_MS, LEAVES_NOTHING_BEHIND, storageFailed } from "./database.ts";

/** An erased entry, and `by`: the hash of the statement that says so. Its place is null where the statement was erased before it came back to a restored log. */
export type Erasure = {
  readonly index: number;
  readonly hash: Uint8Array;
  readonly by: Uint8Array;
  readonly chain: number | null;
  readonly seq: number;
};

/** Reads and writes of the table `erased`. */
export class ErasureStore {
  readonly #db: DatabaseSync;
  readonly #mark: StatementSync;
  readonly #remove: StatementSync;
  readonly #by: StatementSync;
  readonly #after: StatementSync;
  /** What was erased may still be in the write-ahead log: by this process, or by the one before. */
  #unsettled = true;

  constructor(db: DatabaseSync) {
    this.#db = db;
    // Whatever asks for it: a registry item is never taken out.
    this.#mark = db.prepare(
      `INSERT INTO erased(idx, by) SELECT idx, ?2 FROM statements
       WHERE substr(hash, 1, 6) = substr(?1, 1, 6) AND hash = ?1 AND (chain IS NOT NULL OR seq = -1) ON CONFLICT DO NOTHING`,
    );
    this.#remove = db.prepare(
      `UPDATE statements SET bytes = NULL WHERE substr(hash, 1, 6) = substr(?1, 1, 6) AND hash = ?1 AND idx IN (SELECT idx FROM erased)`,
    );
    this.#by = db.prepare("SELECT by FROM erased WHERE idx = ?");
    this.#after = db.prepare(
      'SELECT idx AS "index", hash, by, chain, seq FROM erased JOIN statements USING (idx) WHERE idx >= ? AND idx < ? ORDER BY idx LIMIT ?',
    );
  }

  /**
   * Takes a statement's bytes out of the archive and overwrites them where they were in the file; its entry, its place and its proof stay. Within the
   * transaction that brings the statement `by` in, so that neither is ever there without the other.
   */
  erase(hash: Uint8Array, by: Uint8Array): void {
    this.#db.exec("PRAGMA secure_delete = ON");
    this.#mark.run(hash, by);
    this.#remove.run(hash);
    this.#db.exec(`PRAGMA secure_delete = ${LEAVES_NOTHING_BEHIND}`);
    this.#unsettled = true;
  }

  /** Hash of the statement that says that the entry at this log index was erased; undefined where it wasn't. */
  by(index: number): Uint8Array | undefined {
    return this.#by.get(index)?.["by"] as Uint8Array | undefined;
  }

  /** Erased entries of the log indexes `from` up to, not including, `to`, at most `limit`. */
  page(from: number, to: number, limit: number): Erasure[] {
    return this.#after.all(from, to, limit) as Erasure[];
  }

  /**
   * Brings the write-ahead log into the file and empties it, where something was erased since: that is in neither then. Between transactions, and without
   * waiting for anybody.
   *
   * @returns false where another process reads just now: to be tried again
   * @throws EvidenceError `storage-failed`
   */
  settle(): boolean {
    if (!this.#unsettled) return true;
    try {
      this.#db.exec("PRAGMA busy_timeout = 0");
      this.#unsettled = this.#db.prepare("PRAGMA wal_checkpoint(TRUNCATE)").get()?.["busy"] !== 0;
      this.#db.exec(`PRAGMA busy_timeout = ${BUSY_MS}`);
      return !this.#unsettled;
    } catch (error) {
      throw storageFailed("the write-ahead log can't be emptied", error);
    }
  }
}
