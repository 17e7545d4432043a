/**
 * A log's database as a source of a restore: a backup, or a database that was rescued from somewhere. What it holds is taken only where it
 * fits what is signed.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { equalBytes, EvidenceError, isEvidenceError, openCheckpoint } from "@tallystick/evidence";
import type { OwnLog } from "../log/own-history.ts";
import type { Fork } from "../storage/archive.ts";
import { batchFrom, type BatchRow } from "../storage/batches.ts";
import { isBackup, readDatabase } from "../storage/database.ts";

/** An entry as the database holds it. `place` is null for a registry item and for a statement that is missing there too. */
export type CopiedRow = {
  readonly index: number;
  readonly hash: Uint8Array;
  readonly seq: number;
  readonly bytes: Uint8Array | null;
  readonly chain: number | null;
};

export type CopiedChain = { readonly iss: string; readonly sub: string; readonly ch: Uint8Array };

type Head = { readonly size: number; readonly root: Uint8Array };

export class DatabaseCopy {
  readonly name: string;
  /** The newest tree that it committed. */
  readonly head: Head;
  /** The newest tree whose signed note is in it. */
  readonly signed: Head | undefined;
  readonly #db: DatabaseSync;
  readonly #rows: StatementSync;
  readonly #chain: StatementSync;

  private constructor(name: string, db: DatabaseSync, head: Head, signed: Head | undefined) {
    this.name = name;
    this.#db = db;
    this.head = head;
    this.signed = signed;
    this.#rows = db.prepare(
      'SELECT idx AS "index", hash, chain, seq, bytes FROM statements WHERE idx >= ? AND idx < ? ORDER BY idx',
    );
    this.#chain = db.prepare("SELECT iss, sub, ch FROM chains WHERE id = ?");
  }

  /**
   * Opens a file to read it.
   *
   * @throws EvidenceError `backup-malformed`, `storage-newer`; `checkpoint-origin` for another log's; whatever its note is refused with
   */
  static open(path: string, own: OwnLog): DatabaseCopy {
    let db: DatabaseSync | undefined;
    try {
      db = readDatabase(path);
      const log = db.prepare("SELECT origin, kid FROM log").get();
      if (log?.["origin"] !== own.origin || !equalBytes(asBytes(log["kid"]), own.key.kid)) {
        throw new EvidenceError(
          "checkpoint-origin",
          `${path}: of another log than ${own.origin} under its key`,
        );
      }
      const last = batchFrom(db.prepare("SELECT * FROM batches ORDER BY size DESC LIMIT 1").get());
      if (last === undefined) throw malformed(path, "there is no entry in it");
      const signed = isBackup(db) ? noteIn(db, own) : undefined;
      return new DatabaseCopy(path, db, last, signed);
    } catch (error) {
      db?.close();
      if (isEvidenceError(error) && error.code !== "storage-failed" && error.code !== "storage-missing")
        throw error;
      throw malformed(path, error);
    }
  }

  /** Rows of the log indexes `from` up to, not including, `to`; those that are there. @throws EvidenceError `backup-malformed` */
  rows(from: number, to: number): readonly CopiedRow[] {
    return this.#orMalformed(() => this.#rows.all(from, to) as CopiedRow[]);
  }

  chain(id: number): CopiedChain | undefined {
    return this.#orMalformed(() => this.#chain.get(id) as CopiedChain | undefined);
  }

  /** What it committed to, tree by tree. */
  *batches(): Generator<BatchRow, void, undefined> {
    const rows = this.#db.prepare("SELECT * FROM batches ORDER BY size").iterate();
    for (;;) {
      const next = this.#orMalformed(() => rows.next());
      if (next.done === true) return;
      const batch = batchFrom(next.value);
      if (batch !== undefined) yield batch;
    }
  }

  /** The registry's items in their order. */
  items(): Uint8Array[] {
    const sql = "SELECT bytes FROM registry JOIN statements USING (idx) ORDER BY number";
    return this.#orMalformed(() => this.#db.prepare(sql).all()).map((row) => asBytes(row["bytes"]));
  }

  forks(): readonly Fork[] {
    const sql = 'SELECT hash, time AS "timeUnixS", iss, sub, bytes FROM forks';
    return this.#orMalformed(() => this.#db.prepare(sql).all() as Fork[]);
  }

  close(): void {
    this.#db.close();
  }

  #orMalformed<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw malformed(this.name, error);
    }
  }
}

function noteIn(db: DatabaseSync, { vkey, provider }: OwnLog): Head {
  const note = db.prepare("SELECT note FROM backup").get()?.["note"];
  return openCheckpoint(typeof note === "string" ? note : "", vkey, provider);
}

const asBytes = (value: unknown): Uint8Array => (value instanceof Uint8Array ? value : new Uint8Array());

function malformed(path: string, cause: unknown): EvidenceError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  const advice = "give another backup, or the public directory alone";
  return new EvidenceError("backup-malformed", `${path}: ${reason}: ${advice}`, {}, cause);
}
