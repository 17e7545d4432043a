/**
 * The trees that the log committed to, one row a batch. The newest row is the state of the log.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import type { BatchClaims } from "@tallystick/evidence";

/** What the log says about one tree: all that it signs, but for the origin. */
export type BatchRow = Omit<BatchClaims, "origin"> & {
  readonly root: Uint8Array;
  /** Of its receipts; null until the batch after it is stored. */
  readonly signature: Uint8Array | null;
};

type Stored = {
  readonly size: number;
  readonly root: Uint8Array;
  readonly time: number;
  readonly registry_count: number;
  readonly registry_last: Uint8Array;
  readonly keys_root: Uint8Array;
  readonly signature: Uint8Array | null;
};

/** Reads and writes of the table `batches`. */
export class BatchStore {
  readonly #db: DatabaseSync;
  readonly #insert: StatementSync;
  readonly #sign: StatementSync;
  readonly #last: StatementSync;
  readonly #at: StatementSync;
  readonly #holding: StatementSync;
  // Made when they are needed: a database of an older version, opened to be read, has no such table.
  #noteFall: StatementSync | undefined;
  #fallen: StatementSync | undefined;

  constructor(db: DatabaseSync) {
    this.#db = db;
    this.#insert = db.prepare(
      "INSERT INTO batches(size, root, time, registry_count, registry_last, keys_root) VALUES (?, ?, ?, ?, ?, ?)",
    );
    this.#sign = db.prepare("UPDATE batches SET signature = ? WHERE size = ?");
    this.#last = db.prepare("SELECT * FROM batches ORDER BY size DESC LIMIT 1");
    this.#at = db.prepare("SELECT * FROM batches WHERE size = ?");
    this.#holding = db.prepare("SELECT * FROM batches WHERE size > ? ORDER BY size LIMIT 1");
  }

  /** @param batch - of a larger size than all before */
  insert(batch: Omit<BatchRow, "signature">): void {
    const { size, root, timeUnixS, registry, keysRoot } = batch;
    this.#noteFall ??= this.#db.prepare(
      "INSERT INTO falls SELECT size, time FROM (SELECT size, time FROM batches ORDER BY size DESC LIMIT 1) WHERE time > ?",
    );
    this.#noteFall.run(timeUnixS);
    this.#insert.run(size, root, timeUnixS, registry.count, registry.last, keysRoot);
  }

  /** Keeps the signature of a batch's receipts; it can be made again at any time from the same row. */
  keepSignature(size: number, signature: Uint8Array): void {
    this.#sign.run(signature, size);
  }

  /** The state of the log; undefined before entry 0. */
  last(): BatchRow | undefined {
    return batchFrom(this.#last.get());
  }

  /** The batch that ended at this size. */
  at(size: number): BatchRow | undefined {
    return batchFrom(this.#at.get(size));
  }

  /** The batch that brought the entry at `index`. */
  holding(index: number): BatchRow | undefined {
    return batchFrom(this.#holding.get(index));
  }

  /** The newest commit time up to and with a batch: it never falls, whatever the log's clock did. */
  newestTime({ size, timeUnixS }: BatchRow): number {
    this.#fallen ??= this.#db.prepare("SELECT max(time) AS time FROM falls WHERE size < ?");
    const { time } = this.#fallen.get(size) as { time: number | null };
    return Math.max(timeUnixS, time ?? 0);
  }
}

/** A row of the table `batches`. */
export function batchFrom(row: unknown): BatchRow | undefined {
  if (row === undefined) return undefined;
  const stored = row as Stored; // STRICT tables: the columns have these types
  return {
    size: stored.size,
    root: stored.root,
    timeUnixS: stored.time,
    registry: { count: stored.registry_count, last: stored.registry_last },
    keysRoot: stored.keys_root,
    signature: stored.signature,
  };
}
