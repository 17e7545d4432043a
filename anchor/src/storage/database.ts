/**
 * The anchor's one database: statements (the archive), their places in chains, the tree, the batches, the registry.
 * One file, SQLite in WAL mode with synchronous=FULL: a commit that returned survives a power cut.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { EvidenceError, isEvidenceError } from "@tallystick/evidence";

/** Raised with each change of the schema; a database of a newer version is refused. */
const SCHEMA_VERSION = 4;

/** Marks a file that `tally-anchor backup` wrote ("tall" in ASCII): it is to be restored, not run. */
export const BACKUP_MARK = 0x74616c6c;

/**
 * Statements carry everything they said in `bytes`; the columns beside it are what the anchor searches by. An erased
 * statement keeps its row without its bytes. Registry items have no chain; their `seq` is their number. A statement that a restored log
 * has only the hash of has no chain either, `seq` -1, and a row in `missing`.
 */
const SCHEMA = `
CREATE TABLE log(id INTEGER PRIMARY KEY CHECK (id = 1), origin TEXT NOT NULL, kid BLOB NOT NULL) STRICT;
CREATE TABLE batches(size INTEGER PRIMARY KEY, root BLOB NOT NULL, time INTEGER NOT NULL,
  registry_count INTEGER NOT NULL, registry_last BLOB NOT NULL, keys_root BLOB NOT NULL, signature BLOB) STRICT;
CREATE TABLE statements(idx INTEGER PRIMARY KEY, hash BLOB NOT NULL, chain INTEGER, seq INTEGER NOT NULL, bytes BLOB) STRICT;
CREATE UNIQUE INDEX statements_place ON statements(chain, seq);
CREATE INDEX statements_hash ON statements(substr(hash, 1, 6));
CREATE TABLE chains(id INTEGER PRIMARY KEY, iss TEXT NOT NULL, sub TEXT NOT NULL, ch BLOB NOT NULL,
  first INTEGER NOT NULL, last INTEGER NOT NULL, count INTEGER NOT NULL, opened INTEGER, successor INTEGER,
  UNIQUE (iss, sub, ch)) STRICT;
CREATE TABLE registry(number INTEGER PRIMARY KEY, idx INTEGER NOT NULL) STRICT;
CREATE TABLE tiles(level INTEGER NOT NULL, number INTEGER NOT NULL, hashes BLOB NOT NULL, UNIQUE (level, number)) STRICT;
CREATE TABLE forks(hash BLOB PRIMARY KEY, time INTEGER NOT NULL, iss TEXT NOT NULL, sub TEXT NOT NULL, bytes BLOB NOT NULL) STRICT;
`;

/** Since version 2: what a restore left to be done. `restored` has a row in a log that was restored: up to which size with a note, from which entry on something was missing. */
const RESTORED = `
CREATE TABLE missing(idx INTEGER PRIMARY KEY) STRICT;
CREATE TABLE restored(id INTEGER PRIMARY KEY CHECK (id = 1), size INTEGER NOT NULL, signed INTEGER NOT NULL, first_missing INTEGER NOT NULL, time INTEGER NOT NULL,
  heard INTEGER NOT NULL, given_up INTEGER NOT NULL) STRICT;
`;

/** Since version 3: entries whose statements were erased, and the hash of the statement that says so. */
const ERASED = `
CREATE TABLE erased(idx INTEGER PRIMARY KEY, by BLOB NOT NULL) STRICT;
`;

/** Since version 4: batches after which commit times fell, because the log's clock was set back: few, and without them nobody could halve over times. */
const FALLS = `
CREATE TABLE falls(size INTEGER PRIMARY KEY, time INTEGER NOT NULL) STRICT;
INSERT INTO falls SELECT size, time FROM (SELECT size, time, lead(time) OVER (ORDER BY size) AS next FROM batches) WHERE next < time;
`;

/** Pages of the write-ahead log between checkpoints: 16 MiB, so that a checkpoint stays well below a batch's time. */
const CHECKPOINT_PAGES = 4096;
const CACHE_KIB = 8192;
/**
 * Rows that move to another page are overwritten where they were: else one that is erased later would still be found there. It writes no page more. (Whole pages that become
 * free are overwritten only while something is erased.)
 */
export const LEAVES_NOTHING_BEHIND = "FAST";
/** How long this process waits for another one that has the database, milliseconds. */
export const BUSY_MS = 5000;

/**
 * Makes an empty database with its schema.
 *
 * @throws EvidenceError `storage-exists` where the file is there already, `storage-failed`
 */
export function createDatabase(path: string): DatabaseSync {
  if (existsSync(path)) {
    throw new EvidenceError("storage-exists", `${path}: there is a ledger already; a log begins only once`);
  }
  return opened(path, (db) => {
    db.exec(
      `BEGIN; ${SCHEMA} ${RESTORED} ${ERASED} ${FALLS} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`,
    );
  });
}

/**
 * Opens the database of an existing log.
 *
 * @throws EvidenceError `storage-missing`, `storage-newer` (written by a newer version), `storage-failed`
 */
export function openDatabase(path: string): DatabaseSync {
  if (!existsSync(path)) {
    throw new EvidenceError("storage-missing", `${path}: no ledger here; run tally-anchor init first`);
  }
  return opened(path, (db) => {
    if (isBackup(db)) {
      throw new EvidenceError(
        "storage-missing",
        `${path}: a backup, which is not run as it is: move it away, then tally-anchor restore --from it`,
      );
    }
    const version = versionOf(db, path);
    const added = (version < 2 ? RESTORED : "") + (version < 3 ? ERASED : "") + (version < 4 ? FALLS : "");
    if (added !== "") db.exec(`BEGIN; ${added} PRAGMA user_version = ${SCHEMA_VERSION}; COMMIT`);
  });
}

/**
 * Opens a database to read it, also while an anchor runs on it, or one that was copied.
 *
 * @throws EvidenceError `storage-missing`, `storage-newer`, `storage-failed`
 */
export function readDatabase(path: string): DatabaseSync {
  if (!existsSync(path)) {
    throw new EvidenceError("storage-missing", `${path}: no ledger here; name the data folder with --data`);
  }
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { readOnly: true, timeout: BUSY_MS });
    versionOf(db, path);
    return db;
  } catch (error) {
    db?.close();
    throw error instanceof EvidenceError ? error : storageFailed(`${path}: can't read the database`, error);
  }
}

/** True for a file that `tally-anchor backup` wrote. */
export const isBackup = (db: DatabaseSync): boolean =>
  db.prepare("PRAGMA application_id").get()?.["application_id"] === BACKUP_MARK;

/** @throws EvidenceError `storage-newer`; `storage-failed` where it is no ledger at all */
function versionOf(db: DatabaseSync, path: string): number {
  const version = Number(db.prepare("PRAGMA user_version").get()?.["user_version"]);
  if (version > SCHEMA_VERSION) {
    throw new EvidenceError("storage-newer", `${path}: written by a newer version; upgrade tally-anchor`, {
      version,
      known: SCHEMA_VERSION,
    });
  }
  if (version < 1) throw storageFailed(`${path}: not a ledger of this program`);
  return version;
}

function opened(path: string, prepare: (db: DatabaseSync) => void): DatabaseSync {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: BUSY_MS });
    db.exec(
      `PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -${CACHE_KIB};
       PRAGMA wal_autocheckpoint = ${CHECKPOINT_PAGES}; PRAGMA secure_delete = ${LEAVES_NOTHING_BEHIND}`,
    );
    prepare(db);
    return db;
  } catch (error) {
    db?.close();
    throw error instanceof EvidenceError ? error : storageFailed(`${path}: can't use the database`, error);
  }
}

/** What SQLite or the disk refused. The process ends: what it holds in memory may no longer be what is stored. */
export function storageFailed(message: string, cause?: unknown): EvidenceError {
  const reason = cause instanceof Error ? `: ${cause.message}` : "";
  return new EvidenceError("storage-failed", message + reason, {}, cause);
}

/** What SQLite raised outside a transaction, as {@link storageFailed}; anything else as it is. */
export const orStorageFailed = (error: unknown): unknown =>
  error instanceof Error && "errcode" in error ? storageFailed("the database can't be used", error) : error;

/** Whether this is, or holds, what {@link storageFailed} makes. */
export function isStorageFailure(error: unknown): boolean {
  if (error instanceof AggregateError) return error.errors.some(isStorageFailure);
  return isEvidenceError(error) && error.code === "storage-failed";
}

/**
 * Runs `work` in one transaction and returns what it returned.
 *
 * @throws EvidenceError `storage-failed` if it could not be committed; whatever an EvidenceError `work` threw, rolled back
 */
export function inTransaction<T>(db: DatabaseSync, work: () => T): T {
  try {
    db.exec("BEGIN IMMEDIATE");
    const result = work();
    db.exec("COMMIT");
    return result;
  } catch (error) {
    if (db.isTransaction) db.exec("ROLLBACK");
    throw error instanceof EvidenceError ? error : storageFailed("the batch was not committed", error);
  }
}
