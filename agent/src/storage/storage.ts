/**
 * The agent's database: one file, `agent.db` in the data directory, written by one process at a time. It knows tables and
 * transactions, nothing of MQTT, sources or signing.
 *
 * Power may fail at any moment: write-ahead log, synchronous=FULL, and whatever belongs together is one transaction. When a commit fails
 * nobody knows what the disk holds: nothing more is written here, the process ends (`storage-full`, `storage-failed`) and starts again from what
 * was committed.
 *
 * @module
 */
import { chmodSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { EvidenceError } from "@tallystick/evidence";

/** Version of the tables below, kept as `user_version`. */
export const SCHEMA_VERSION = 5;

export const DATABASE_FILE = "agent.db";
export const LOCK_FILE = "agent.lock";

/** The log is cut back to this size after a checkpoint; it grows beyond only while a reader holds it. */
const MAX_WAL_BYTES = 4 << 20;

const TABLES = `
  CREATE TABLE meta (name TEXT PRIMARY KEY, value ANY NOT NULL) STRICT, WITHOUT ROWID;

  -- One row a chain; the newest of a stream is the one that grows, and older ones go once no other table names them. seq and hash are the last statement sealed; attested is
  -- the last seq named by a heads event, -1 before the first; source holds the meter's id and registers as stream-opened told them.
  CREATE TABLE chain (
    id INTEGER PRIMARY KEY, sub TEXT NOT NULL, ch BLOB NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL,
    attested INTEGER NOT NULL, closed INTEGER NOT NULL DEFAULT 0, source TEXT
  ) STRICT;
  CREATE INDEX chain_sub ON chain (sub, id);

  -- What was read and not yet sealed. kind 0: a SenML pack, 1: an event. at and tq are the clock's when it was taken,
  -- scale tells the clock's steps apart: readings of two scales never share a statement. level is lvl of the statement to be; line
  -- the row of the line that a program brought it in.
  CREATE TABLE journal (
    id INTEGER PRIMARY KEY, sub TEXT NOT NULL, kind INTEGER NOT NULL, at INTEGER NOT NULL, tq INTEGER NOT NULL,
    scale INTEGER NOT NULL, count INTEGER NOT NULL, bytes BLOB NOT NULL, level INTEGER NOT NULL DEFAULT 1, line INTEGER
  ) STRICT;

  -- Lines that programs brought, newest last, by the program's own id; statement is the hash of what says it, null until that is sealed.
  CREATE TABLE line (
    id INTEGER PRIMARY KEY, program TEXT NOT NULL, name TEXT NOT NULL, sub TEXT NOT NULL, digest BLOB NOT NULL, statement BLOB,
    UNIQUE (program, name)
  ) STRICT;
  CREATE INDEX line_program ON line (program, id);

  -- Sealed statements, in the order of sealing. state 0: waits for a receipt, 1: has one, 2: waits, and was refused (advisory).
  -- The bytes stand in a table of their own: a change of state must not write them again.
  CREATE TABLE outbox (
    id INTEGER PRIMARY KEY, chain INTEGER NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, size INTEGER NOT NULL,
    sealed INTEGER NOT NULL, tq INTEGER NOT NULL, state INTEGER NOT NULL DEFAULT 0, receipt INTEGER, place INTEGER,
    share INTEGER NOT NULL DEFAULT 0
  ) STRICT;
  CREATE UNIQUE INDEX outbox_hash ON outbox (hash);
  CREATE INDEX outbox_open ON outbox (state, id) WHERE state <> 1;
  CREATE TABLE statement (id INTEGER PRIMARY KEY, bytes BLOB NOT NULL) STRICT;

  -- Verified receipts; outbox.place is the number of the statement's proof, outbox.share its part of the receipt's bytes. One receipt may hold many.
  CREATE TABLE receipt (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL, size INTEGER NOT NULL, time INTEGER NOT NULL, tree BLOB NOT NULL, bytes BLOB NOT NULL
  ) STRICT;
  CREATE INDEX receipt_size ON receipt (origin, size);

  -- Sealed statements that a full outbox let go, until a gap event tells of them.
  CREATE TABLE dropped (
    chain INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    since INTEGER NOT NULL, tq INTEGER NOT NULL
  ) STRICT;

  -- Gaps of statements that wait for a receipt, by their row of the outbox: where such a gap is itself let go, it is told anew.
  CREATE TABLE told (
    id INTEGER PRIMARY KEY, chain INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
    since INTEGER NOT NULL, tq INTEGER NOT NULL
  ) STRICT;

  -- Streams whose source has been left unread since then, and why; of sys, how many of its own statements were left out.
  CREATE TABLE stopped (
    sub TEXT PRIMARY KEY, since INTEGER NOT NULL, tq INTEGER NOT NULL, reason TEXT NOT NULL, omitted INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;

  -- What the log advised against, by statement; text comes from the wire. told: a refused event on sys says so.
  CREATE TABLE rejection (
    hash BLOB PRIMARY KEY, sub TEXT, seq INTEGER, code TEXT NOT NULL, text TEXT NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, told INTEGER NOT NULL DEFAULT 0
  ) STRICT, WITHOUT ROWID;

  -- What an operator must look at; evidence holds the bytes that show it.
  CREATE TABLE alarm (
    id INTEGER PRIMARY KEY, code TEXT NOT NULL, at INTEGER NOT NULL, text TEXT NOT NULL, evidence BLOB,
    UNIQUE (code, text)
  ) STRICT;

  -- Readings that the newest pack of their stream doesn't have, and the one before it did: the last of each name, as a pack of its own.
  CREATE TABLE standing (id INTEGER PRIMARY KEY, sub TEXT NOT NULL, name TEXT NOT NULL, bytes BLOB NOT NULL, UNIQUE (sub, name)) STRICT;

  -- Counters since the database was made: of a source (scope = stream), or of the uplink (scope = '').
  CREATE TABLE counter (scope TEXT NOT NULL, name TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (scope, name)) STRICT, WITHOUT ROWID;
`;

/** What brings a database of one version to the next, by the version it has. */
const UPGRADES: Readonly<Record<number, string>> = {
  1: `
    CREATE TABLE told (
      id INTEGER PRIMARY KEY, chain INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL,
      since INTEGER NOT NULL, tq INTEGER NOT NULL
    ) STRICT;
    ALTER TABLE stopped ADD COLUMN reason TEXT NOT NULL DEFAULT 'outbox-full';
    ALTER TABLE stopped ADD COLUMN omitted INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE rejection ADD COLUMN told INTEGER NOT NULL DEFAULT 0;
  `,
  2: "CREATE TABLE standing (id INTEGER PRIMARY KEY, sub TEXT NOT NULL, name TEXT NOT NULL, bytes BLOB NOT NULL, UNIQUE (sub, name)) STRICT;",
  3: `
    ALTER TABLE journal ADD COLUMN level INTEGER NOT NULL DEFAULT 1;
    ALTER TABLE journal ADD COLUMN line INTEGER;
    CREATE TABLE line (
      id INTEGER PRIMARY KEY, program TEXT NOT NULL, name TEXT NOT NULL, sub TEXT NOT NULL, digest BLOB NOT NULL, statement BLOB,
      UNIQUE (program, name)
    ) STRICT;
    CREATE INDEX line_program ON line (program, id);
  `,
  4: `
    ALTER TABLE outbox ADD COLUMN share INTEGER NOT NULL DEFAULT 0;
    UPDATE outbox SET share = (length(r.bytes) + n.many - 1) / n.many
      FROM receipt r JOIN (SELECT receipt, count(*) AS many FROM outbox WHERE state = 1 GROUP BY receipt) n ON n.receipt = r.id
      WHERE outbox.state = 1 AND outbox.receipt = r.id;
  `,
};

type Row = Record<string, unknown>;

/** A prepared statement whose rows have a known shape. */
export type Query<T> = {
  get(...values: readonly SQLInputValue[]): T | undefined;
  all(...values: readonly SQLInputValue[]): readonly T[];
  iterate(...values: readonly SQLInputValue[]): Iterable<T>;
};

/** An open database. */
export class Storage {
  readonly #db: DatabaseSync;
  readonly #lock: DatabaseSync | undefined;
  #open = true;
  #monotonicMs = (): number => 0;
  #busyMs = 0;
  #broken: { readonly error: unknown } | undefined;

  constructor(db: DatabaseSync, lock?: DatabaseSync) {
    this.#db = db;
    this.#lock = lock;
  }

  /** Measures from here on, by this clock, how long transactions take. */
  measure(monotonicMs: () => number): void {
    this.#monotonicMs = monotonicMs;
  }

  /** Time spent in transactions. While one is written nothing else runs in this process. */
  get busyMs(): number {
    return this.#busyMs;
  }

  /** Prepares a reading statement. The caller states the shape of its rows, as the tables above give it. */
  query<T extends Row>(sql: string): Query<T> {
    const prepared = this.#db.prepare(sql);
    return {
      get: (...values) => prepared.get(...values) as T | undefined,
      all: (...values) => prepared.all(...values) as unknown as readonly T[],
      iterate: (...values) => prepared.iterate(...values) as unknown as Iterable<T>,
    };
  }

  /** Prepares a writing statement. Run it inside {@link transaction}. */
  prepare(sql: string): StatementSync {
    return this.#db.prepare(sql);
  }

  /**
   * Runs `write` in one transaction: all of it is on disk when this returns, or none of it.
   *
   * @throws EvidenceError `storage-full` or `storage-failed` if the disk refused, now or earlier; what `write` throws otherwise, after a roll-back
   */
  transaction<T>(write: () => T): T {
    if (this.#broken !== undefined) throw this.#broken.error;
    const startMs = this.#monotonicMs();
    try {
      this.#db.exec("BEGIN IMMEDIATE");
      const result = write();
      this.#db.exec("COMMIT");
      return result;
    } catch (cause) {
      try {
        this.#db.exec("ROLLBACK");
      } catch {
        // the failed commit has ended the transaction already
      }
      throw this.#failed(cause);
    } finally {
      this.#busyMs += this.#monotonicMs() - startMs;
    }
  }

  /** Gives pages that nothing uses any more back to the file system, at most `maxPages` of them, if they are many. */
  shrink(maxPages: number): void {
    const of = (pragma: string): number => Number(this.#db.prepare(`PRAGMA ${pragma}`).get()?.[pragma] ?? 0);
    if (this.#broken !== undefined) throw this.#broken.error;
    try {
      // Free pages are used again first; moving pages about for a few of them would only wear the flash.
      if (of("freelist_count") * 4 > of("page_count"))
        this.#db.exec(`PRAGMA incremental_vacuum(${maxPages})`);
    } catch (cause) {
      throw this.#failed(cause);
    }
  }

  /**
   * Closes the file; a second call does nothing. One that the disk refused stays as it is: closing would sync its log once more, find that good, and
   * copy it.
   */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    try {
      if (this.#broken === undefined) this.#db.close();
    } catch (cause) {
      throw storageError(cause);
    } finally {
      this.#lock?.close();
    }
  }

  /** After the disk refused, nothing more is written to this file: what it holds is for the next start to see. */
  #failed(cause: unknown): unknown {
    const error = storageError(cause);
    if (error !== cause) this.#broken = { error };
    return error;
  }
}

/**
 * Opens the database for writing, and makes it where there is none.
 *
 * @throws EvidenceError `storage-in-use` if another process has it, `storage-newer` if a newer version wrote it, `storage-full`, `storage-failed`
 */
export function openStorage(directory: string): Storage {
  let lock: DatabaseSync | undefined;
  try {
    mkdirSync(directory, { recursive: true, mode: 0o750 });
    lock = lockDirectory(directory);
    const path = join(directory, DATABASE_FILE);
    const db = new DatabaseSync(path, { timeout: 5000 });
    chmodSync(path, 0o640);
    return storageOn(db, path, lock);
  } catch (cause) {
    lock?.close();
    throw storageError(cause, directory);
  }
}

/** As {@link openStorage}, on a database that is open already. */
export function storageOn(db: DatabaseSync, name: string, lock?: DatabaseSync): Storage {
  db.exec(`PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
    PRAGMA journal_size_limit = ${MAX_WAL_BYTES}; PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY`);
  const storage = new Storage(db, lock);
  const version = versionOf(db, name);
  if (version === SCHEMA_VERSION) return storage;
  storage.transaction(() => {
    if (version === 0) db.exec(TABLES);
    else for (let from = version; from < SCHEMA_VERSION; from++) db.exec(UPGRADES[from] ?? "");
    db.exec(`PRAGMA user_version = ${SCHEMA_VERSION}`);
  });
  return storage;
}

export const hasStorage = (directory: string): boolean => existsSync(join(directory, DATABASE_FILE));

/**
 * Opens the database for reading only, also while the agent runs.
 *
 * @param anyVersion - an older one as well, which may lack what is new
 * @throws EvidenceError `storage-missing`, `storage-newer`, `storage-failed`
 */
export function readStorage(directory: string, { anyVersion = false } = {}): Storage {
  const path = join(directory, DATABASE_FILE);
  if (!existsSync(path)) {
    throw new EvidenceError(
      "storage-missing",
      `${path}: there is no database; the agent hasn't run with this configuration`,
    );
  }
  try {
    const db = new DatabaseSync(path, { readOnly: true, timeout: 5000 });
    const version = versionOf(db, path);
    if (version === 0) throw new EvidenceError("storage-missing", `${path}: the database is empty`);
    if (version < SCHEMA_VERSION && !anyVersion)
      throw new EvidenceError(
        "storage-failed",
        `${path}: written by an older version: start tally-agent, which brings it up`,
        { found: version, known: SCHEMA_VERSION },
      );
    return new Storage(db);
  } catch (cause) {
    throw storageError(cause, directory);
  }
}

/** The operating system lets go of this lock when the process ends, however it ends. */
function lockDirectory(directory: string): DatabaseSync {
  const lock = new DatabaseSync(join(directory, LOCK_FILE), { timeout: 0 });
  try {
    lock.exec("BEGIN EXCLUSIVE");
  } catch (cause) {
    lock.close();
    if (sqliteCode(cause) !== BUSY) throw cause;
    // Two writers would spend one sequence number twice.
    throw new EvidenceError(
      "storage-in-use",
      `${directory}: another agent uses this data directory; stop it first`,
      {},
      cause,
    );
  }
  return lock;
}

function versionOf(db: DatabaseSync, path: string): number {
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"] ?? 0);
  if (version > SCHEMA_VERSION) {
    throw new EvidenceError(
      "storage-newer",
      `${path}: written by a newer version; install that version or a later one`,
      {
        found: version,
        known: SCHEMA_VERSION,
      },
    );
  }
  return version;
}

/** The low byte of SQLite's extended codes: SQLITE_BUSY, SQLITE_FULL. */
const BUSY = 5;
const FULL = 13;
const sqliteCode = (cause: unknown): number =>
  cause instanceof Error && "errcode" in cause && typeof cause.errcode === "number"
    ? cause.errcode & 0xff
    : 0;

const NO_SPACE: ReadonlySet<unknown> = new Set(["ENOSPC", "EDQUOT"]);

/** What the disk or SQLite refused, as this agent's error; whatever it is not, as it is. */
export function storageError(cause: unknown, directory = "agent.db"): unknown {
  if (cause instanceof EvidenceError) return cause;
  if (!(cause instanceof Error) || !("code" in cause) || typeof cause.code !== "string") return cause;
  if (sqliteCode(cause) === FULL || NO_SPACE.has(cause.code)) {
    const advice = "the disk is full: free space; an agent that is started meanwhile waits for it";
    return new EvidenceError("storage-full", `${directory}: ${advice}`, {}, cause);
  }
  return new EvidenceError(
    "storage-failed",
    `${directory}: ${cause.message}; look at the disk (errors, rights, quota)`,
    {},
    cause,
  );
}
