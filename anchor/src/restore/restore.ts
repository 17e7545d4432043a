/**
 * Restoring a log: the database is built beside its place from what is left of the log, and takes its name when it is whole and on the disk. What was cut
 * off leaves nothing that an anchor would start from.
 *
 * @module
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync } from "node:fs";
import { open, rename } from "node:fs/promises";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import {
  decodeItem,
  EvidenceError,
  formatVkey,
  MAX_NOTE_BYTES,
  parseNote,
  parseStatement,
  parseVkey,
  toHex,
  type SignatureProvider,
} from "@tallystick/evidence";
import {
  loadSigner,
  nodeSha256,
  syncDirectory,
  type Progress,
  directoryPlace,
  isUrl,
  openPlace,
  type Place,
} from "@tallystick/evidence/node";
import { placesOf, type Config } from "../config.ts";
import { eraseAgain } from "../erasure/again.ts";
import type { OwnLog } from "../log/own-history.ts";
import { CHECKPOINT_FILE } from "../publish/publish.ts";
import { openStore, type Store } from "../sequence/sequence.ts";
import { createDatabase, readDatabase, storageFailed } from "../storage/database.ts";
import { takeLock } from "../storage/lock.ts";
import { copyKept, isKept } from "../trail/kept.ts";
import { ownName } from "../trail/own-device.ts";
import { DatabaseCopy } from "./database-copy.ts";
import { PublicCopy } from "./public-copy.ts";
import { rebuild, type Rebuilt, type Sources } from "./rebuild.ts";

export type RestoreOptions = {
  readonly config: Config;
  /** Backups and databases, public directories, data folders, and addresses of copies. */
  readonly from: readonly string[];
  readonly provider: SignatureProvider;
  readonly nowUnixS: () => number;
  readonly progress: Progress;
};

export type Restored = Omit<Rebuilt, "root"> & {
  /** Statements of the anchor's own that say what was erased: of what they name, nothing came back. */
  readonly erased: number;
  /** Copies of the anchor's own statements that were taken from the sources. */
  readonly kept: number;
  /** Folders `trail` in the sources that have no such copy. */
  readonly emptyTrails: readonly string[];
  readonly origin: string;
  /** As hexadecimal. */
  readonly root: string;
  readonly database: string;
  readonly sources: readonly { readonly name: string; readonly size: number }[];
};

/**
 * Builds the database of a log from `from`. Nothing is signed; the next start of the anchor publishes what was restored.
 *
 * @throws EvidenceError `storage-exists` where there is a ledger already, `storage-in-use`, `storage-failed`, `key-file-unreadable`, `key-file-mode`,
 *   `storage-missing` for a source that is none, and whatever {@link rebuild} throws
 */
export async function restoreLog({
  config,
  from,
  provider,
  nowUnixS,
  progress,
}: RestoreOptions): Promise<Restored> {
  const places = placesOf(config);
  if (!existsSync(places.logKey)) {
    throw new EvidenceError(
      "key-file-unreadable",
      `${places.logKey}: the log's key is not there: put it back from where you keep it, then restore (a log whose key is lost can't go on)`,
    );
  }
  const { key } = loadSigner(places.logKey);
  mkdirSync(config.data, { recursive: true, mode: 0o750 });
  const lock = takeLock(places.lock);
  const unfinished = `${places.database}.restoring`;
  let db: DatabaseSync | undefined;
  let sources: Sources | undefined;
  try {
    if (existsSync(places.database)) {
      const advice = "move it away first; it can be one of the sources";
      throw new EvidenceError("storage-exists", `${places.database}: there is a ledger already: ${advice}`);
    }
    const files = from.filter((one) => isUrl(one) || !isKept(one)).flatMap(sourcesIn);
    const origin = config.origin ?? (await originOf(files));
    const own: OwnLog = { origin, key, vkey: parseVkey(formatVkey(origin, key)), provider };
    sources = await openSources(files, own);
    remove(unfinished);
    const target = createDatabase(unfinished);
    db = target;
    // Nothing of it counts before it is whole, synced and named.
    target.exec("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; BEGIN");
    target.prepare("INSERT INTO log(id, origin, kid) VALUES (1, ?, ?)").run(origin, key.kid);
    const store = openStore(target);
    const rebuilt = await rebuild(sources, store, own, { nowUnixS, progress });
    const erased = eraseAgain(store, ownNameIn(store, config));
    target.exec("COMMIT");
    target.close();
    const { copied: kept, empty: emptyTrails } = await copyKept(from, places.trail);
    await bringIn(unfinished, places.database, config.data);
    const heads = [
      ...sources.copies,
      ...sources.databases.map(({ name, head }) => ({ name, size: head.size })),
    ];
    return {
      ...rebuilt,
      erased,
      kept,
      emptyTrails,
      origin,
      root: toHex(rebuilt.root),
      database: places.database,
      sources: heads.map(({ name, size }) => ({ name, size })),
    };
  } catch (error) {
    closeQuietly(db);
    remove(unfinished);
    throw error instanceof EvidenceError ? error : storageFailed(`${unfinished}: not restored`, error);
  } finally {
    progress.done();
    for (const copy of sources?.databases ?? []) copy.close();
    lock.release();
  }
}

/** Name of the anchor's own device, by the registry that was rebuilt. */
function ownNameIn({ archive }: Store, { trail }: Config): string {
  const [first] = [...archive.items(0, 1)];
  const content = first && parseStatement(first.bytes, nodeSha256).content;
  const item = content?.type === "registry" ? decodeItem(content.payload) : undefined;
  return ownName(trail, item?.kind === "policy" ? item.operators[0] : undefined);
}

/** A database by its file, or files by a place. */
type Found = { readonly database: string } | { readonly files: Place };

/** A data folder is two sources: its database and its public directory. */
function sourcesIn(from: string): readonly Found[] {
  if (isUrl(from)) return [{ files: openPlace(from) }];
  if (!existsSync(from)) throw new EvidenceError("storage-missing", `--from: ${from} is not there`);
  if (!statSync(from).isDirectory()) return [{ database: from }];
  const inside = readdirSync(from);
  if (!inside.includes("anchor.db")) return [{ files: directoryPlace(from) }];
  const database = { database: join(from, "anchor.db") };
  return inside.includes("public") ? [database, { files: directoryPlace(join(from, "public")) }] : [database];
}

/** The name of the log, from the first source that tells it; the signatures decide whether it is right. */
async function originOf(found: readonly Found[]): Promise<string> {
  for (const one of found) {
    if ("files" in one) {
      const note = await one.files.read(CHECKPOINT_FILE, MAX_NOTE_BYTES);
      const origin = note && parseNote(note).text.split("\n")[0];
      if (origin) return origin;
    } else {
      const db = readSource(one.database);
      try {
        const origin = db.prepare("SELECT origin FROM log").get()?.["origin"];
        if (typeof origin === "string") return origin;
      } catch (cause) {
        throw new EvidenceError(
          "backup-malformed",
          `${one.database}: not a backup: give another one`,
          {},
          cause,
        );
      } finally {
        db.close();
      }
    }
  }
  throw new EvidenceError(
    "storage-missing",
    "--from: no log in any of them: give a backup or a public directory",
  );
}

function readSource(path: string): DatabaseSync {
  try {
    return readDatabase(path);
  } catch (error) {
    if (!(error instanceof EvidenceError) || error.code !== "storage-failed") throw error;
    throw new EvidenceError("backup-malformed", `${error.message}: give another backup`, {}, error);
  }
}

async function openSources(found: readonly Found[], own: OwnLog): Promise<Sources> {
  const copies: PublicCopy[] = [];
  const databases: DatabaseCopy[] = [];
  try {
    for (const one of found) {
      if ("files" in one) copies.push(await PublicCopy.open(one.files, own));
      else databases.push(DatabaseCopy.open(one.database, own));
    }
    return { copies, databases };
  } catch (error) {
    for (const copy of databases) copy.close();
    throw error;
  }
}

/** Syncs the finished database and gives it its name. */
async function bringIn(unfinished: string, database: string, folder: string): Promise<void> {
  const handle = await open(unfinished, "r+");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(unfinished, database);
  await syncDirectory(folder);
}

function closeQuietly(db: DatabaseSync | undefined): void {
  try {
    db?.close();
  } catch {
    // closed already
  }
}

function remove(path: string): void {
  for (const ending of ["", "-wal", "-shm", "-journal"]) rmSync(path + ending, { force: true });
}
