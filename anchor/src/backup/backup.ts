/**
 * A backup of a log, also while its anchor runs: one SQLite file that holds everything but the keys, with the newest signed note from before it was begun.
 *
 * SQLite copies page by page; a read transaction that is held open over it makes all pages those of one moment, so that a busy anchor neither waits nor
 * makes the copy begin anew. The file takes its name last.
 *
 * @module
 */
import { closeSync, existsSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { open, readFile, rename } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { backup as copyPages, DatabaseSync } from "node:sqlite";
import { decodeUtf8, EvidenceError, MAX_NOTE_BYTES, toHex } from "@tallystick/evidence";
import { syncDirectory, type Progress } from "@tallystick/evidence/node";
import type { Places } from "../config.ts";
import { CHECKPOINT_FILE } from "../publish/publish.ts";
import { BatchStore } from "../storage/batches.ts";
import { BACKUP_MARK, readDatabase, storageFailed } from "../storage/database.ts";
import { MissingStore } from "../storage/missing.ts";

export type Backup = {
  readonly file: string;
  readonly bytes: number;
  readonly origin: string;
  /** Entries in it, and how many of them are without their statements. */
  readonly size: number;
  readonly missing: number;
  /** Root of the tree of `size`, as hexadecimal. */
  readonly root: string;
};

/** What a backup has besides the log's own tables. */
const BACKUP_TABLE = "CREATE TABLE backup(note TEXT NOT NULL, time INTEGER NOT NULL) STRICT";
/** Pages copied at once: 4 MiB. */
const PAGES_AT_ONCE = 1024;

/**
 * Writes a backup of the log in `places`.
 *
 * @param out - the file to be, or a folder in which it gets a name with origin and size
 * @throws EvidenceError `storage-missing`, `storage-newer`, `storage-failed`; `storage-exists` where the file is there
 */
export async function backupLog(
  places: Places,
  out: string,
  { nowUnixS, progress }: { readonly nowUnixS: () => number; readonly progress: Progress },
): Promise<Backup> {
  const source = readDatabase(places.database);
  let part = "";
  try {
    // Before the pages: the tree that it signs is in them then.
    const note = await publishedNote(places);
    source.exec("BEGIN");
    const { origin, size, root } = stateOf(source, places.database);
    const file = fileNamed(out, origin, size);
    part = join(dirname(file), `.${basename(file)}.part`);
    remove(part);
    // It holds every statement: before there is anything in it, it is for its owner only.
    closeSync(openSync(part, "wx", 0o600));
    await copyPages(source, part, {
      rate: PAGES_AT_ONCE,
      progress: ({ totalPages, remainingPages }) =>
        progress.update(totalPages - remainingPages, totalPages, "pages"),
    });
    source.exec("COMMIT");
    const missing = new MissingStore(source).count();
    finish(part, note, nowUnixS());
    await sync(part);
    if (existsSync(file)) throw alreadyThere(file);
    await rename(part, file);
    await syncDirectory(dirname(file));
    return { file, bytes: statSync(file).size, origin, size, missing, root: toHex(root) };
  } catch (error) {
    if (part !== "") remove(part);
    throw error instanceof EvidenceError ? error : storageFailed(`${out}: the backup was not written`, error);
  } finally {
    progress.done();
    source.close();
  }
}

async function publishedNote(places: Places): Promise<string> {
  const path = join(places.public, CHECKPOINT_FILE);
  try {
    const bytes = new Uint8Array(await readFile(path));
    if (bytes.length <= MAX_NOTE_BYTES) return decodeUtf8(bytes);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError(
      "storage-missing",
      `${path}: a backup holds the newest signed note, and there is none: start the anchor, which publishes it: ${reason}`,
      {},
      cause,
    );
  }
  throw new EvidenceError("too-large", `${path}: too large for a signed note`);
}

function stateOf(db: DatabaseSync, path: string): { origin: string; size: number; root: Uint8Array } {
  const last = new BatchStore(db).last();
  const origin = db.prepare("SELECT origin FROM log").get()?.["origin"];
  if (last === undefined || typeof origin !== "string") throw storageFailed(`${path}: no log in it`);
  return { origin, size: last.size, root: last.root };
}

/** @throws EvidenceError `storage-exists` */
function fileNamed(out: string, origin: string, size: number): string {
  const isFolder = out.endsWith("/") || (existsSync(out) && statSync(out).isDirectory());
  const name = `${origin.replaceAll(/[^A-Za-z0-9.-]/g, "_")}-${size}.backup`;
  const file = isFolder ? join(out, name) : out;
  if (existsSync(file)) throw alreadyThere(file);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  return file;
}

const alreadyThere = (file: string): EvidenceError =>
  new EvidenceError("storage-exists", `${file}: there already, and never overwritten: choose another name`);

/** Marks the copy as a backup, and makes it one file that stands alone. */
function finish(part: string, note: string, timeUnixS: number): void {
  const copy = new DatabaseSync(part);
  try {
    copy.exec(`PRAGMA journal_mode = DELETE; PRAGMA application_id = ${BACKUP_MARK}; ${BACKUP_TABLE}`);
    copy.prepare("INSERT INTO backup(note, time) VALUES (?, ?)").run(note, timeUnixS);
  } finally {
    copy.close();
  }
}

async function sync(path: string): Promise<void> {
  const handle = await open(path, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function remove(part: string): void {
  for (const ending of ["", "-wal", "-shm", "-journal"]) rmSync(part + ending, { force: true });
}
