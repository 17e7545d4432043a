/**
 * The facts: what the verification of a case or a bundle found, in one SQLite file that every verb reads (docs/auditing.md has the meaning of each
 * column). A file is written once, in full, and never changed: what reads it opens it read-only.
 *
 * @module
 */
import { existsSync, rmSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { EvidenceError } from "@tallystick/evidence";

/** Raised with each change of the schema or of what is judged, and part of the file's name: an older file is made anew. */
export const FACTS_VERSION = 7;

const TABLES = `
CREATE TABLE about(name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE streams(id INTEGER PRIMARY KEY, iss TEXT NOT NULL, sub TEXT NOT NULL) STRICT;
CREATE TABLE chains(id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, ordinal INTEGER NOT NULL, ch BLOB NOT NULL) STRICT;
CREATE TABLE statements(id INTEGER PRIMARY KEY, stream INTEGER NOT NULL, chain INTEGER NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL, prev BLOB,
  idx INTEGER, committed INTEGER, iat INTEGER, tq INTEGER NOT NULL, lvl INTEGER NOT NULL, seen INTEGER, kid BLOB NOT NULL,
  kind TEXT NOT NULL, standing TEXT NOT NULL, code TEXT, file INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL) STRICT;
CREATE TABLE readings(statement INTEGER NOT NULL, n INTEGER NOT NULL, stream INTEGER NOT NULL, name TEXT NOT NULL, t INTEGER,
  v TEXT, float REAL, vs TEXT, unit TEXT, q TEXT NOT NULL, rx INTEGER, PRIMARY KEY (statement, n)) STRICT, WITHOUT ROWID;
CREATE TABLE events(statement INTEGER NOT NULL, stream INTEGER NOT NULL, kind TEXT NOT NULL, t INTEGER, id TEXT, ref TEXT, supersedes TEXT,
  minor INTEGER, currency TEXT, tariff TEXT, body TEXT NOT NULL) STRICT;
CREATE TABLE heads(statement INTEGER NOT NULL, iss TEXT NOT NULL, sub TEXT NOT NULL, ch BLOB NOT NULL, seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT;
CREATE TABLE trees(origin TEXT NOT NULL, size INTEGER NOT NULL, root BLOB NOT NULL, time INTEGER NOT NULL, items INTEGER NOT NULL,
  last BLOB NOT NULL, keys BLOB NOT NULL, PRIMARY KEY (size, root, time, items, last, keys, origin)) STRICT, WITHOUT ROWID;
CREATE TABLE seen(size INTEGER NOT NULL, root BLOB NOT NULL, origin TEXT NOT NULL, PRIMARY KEY (size, root, origin)) STRICT, WITHOUT ROWID;
CREATE TABLE items(number INTEGER PRIMARY KEY, idx INTEGER NOT NULL, file INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL) STRICT;
CREATE TABLE proofs(size INTEGER PRIMARY KEY, file INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL) STRICT;
CREATE TABLE keys(kid BLOB PRIMARY KEY, role TEXT NOT NULL, iss TEXT NOT NULL, item INTEGER NOT NULL, enrolled INTEGER NOT NULL,
  superseded INTEGER, suspect INTEGER, revoked INTEGER, silence INTEGER NOT NULL, reenrolled INTEGER NOT NULL, by TEXT NOT NULL,
  acts TEXT, code TEXT) STRICT;
CREATE TABLE withheld(iss TEXT NOT NULL, sub TEXT NOT NULL, ch BLOB NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
  why TEXT NOT NULL, by TEXT) STRICT;
`;

/** Made when all rows are there: that costs half of what keeping them up to date with each row does. */
const INDEXES = `
CREATE UNIQUE INDEX streams_name ON streams(iss, sub);
CREATE INDEX chains_stream ON chains(stream, ordinal);
CREATE INDEX statements_place ON statements(chain, seq);
CREATE INDEX statements_hash ON statements(hash);
CREATE INDEX readings_time ON readings(stream, name, t);
CREATE INDEX events_statement ON events(statement);
CREATE INDEX events_kind ON events(kind, stream);
CREATE INDEX heads_place ON heads(iss, sub, ch, seq);
`;

const CACHE_KIB = 16_384;

/** Makes an empty file of facts; one that is there is a build that broke off, and goes. */
export function createFacts(path: string): DatabaseSync {
  rmSync(path, { force: true });
  const db = new DatabaseSync(path);
  // Nothing to recover: a file that was not finished is made anew.
  db.exec(`PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE; PRAGMA page_size = 8192;
    PRAGMA cache_size = -${CACHE_KIB}; ${TABLES} PRAGMA user_version = ${FACTS_VERSION}`);
  return db;
}

/** Ends the writing: indexes, and what the planner wants to know. */
export function finishFacts(db: DatabaseSync): void {
  // A second thread sorts while this one reads.
  db.exec(`PRAGMA threads = 1; BEGIN; ${INDEXES} COMMIT; PRAGMA analysis_limit = 400; ANALYZE`);
}

/** Facts of evidence that broke off: nothing of it counts. Ends a file that was not ended. */
export function emptyFacts(db: DatabaseSync): void {
  if (db.isTransaction) db.exec("COMMIT");
  if (isFinished(db)) return;
  const tables = db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all();
  for (const { name } of tables as { name: string }[]) db.exec(`DELETE FROM ${name}`);
  finishFacts(db);
}

const isFinished = (db: DatabaseSync): boolean =>
  db.prepare("SELECT name FROM sqlite_schema WHERE name = 'streams_name'").get() !== undefined;

/**
 * Opens finished facts, to read.
 *
 * @throws EvidenceError `storage-missing`, `storage-newer`
 */
export function readFacts(path: string): DatabaseSync {
  if (!existsSync(path)) throw new EvidenceError("storage-missing", `${path}: no facts here`, { path });
  const db = new DatabaseSync(path, { readOnly: true });
  const version = (db.prepare("PRAGMA user_version").get() as { user_version: number }).user_version;
  if (version !== FACTS_VERSION) {
    db.close();
    throw new EvidenceError("storage-newer", `${path}: facts of version ${version}`, { path });
  }
  db.exec(`PRAGMA cache_size = -${CACHE_KIB}; PRAGMA query_only = ON`);
  return db;
}
