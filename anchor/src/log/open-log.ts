/**
 * Opening a log that exists: the database, the key that signs, the registry; and the view in the public folder, brought up to what is
 * committed by the code that runs after each batch. Nothing of this depends on how large the log is.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import {
  decodeUtf8,
  equalBytes,
  EvidenceError,
  formatVkey,
  parseVkey,
  openCheckpoint,
  type KeyState,
  type SignatureProvider,
} from "@tallystick/evidence";
import { loadSigner, machineDisk, type Disk } from "@tallystick/evidence/node";
import { placesOf, type Config } from "../config.ts";
import { OwnHistory } from "./own-history.ts";
import { CHECKPOINT_FILE, Publisher, type Published } from "../publish/publish.ts";
import { keyStateAt } from "../registry/registry.ts";
import { openStore, Sequencer, type Store } from "../sequence/sequence.ts";
import type { LogIdentity } from "../publish/sign.ts";
import type { BatchRow } from "../storage/batches.ts";
import { openDatabase, storageFailed } from "../storage/database.ts";
import { settleFolder } from "../storage/files.ts";
import { takeLock } from "../storage/lock.ts";

export type OpenLog = {
  readonly log: LogIdentity;
  readonly store: Store;
  readonly keys: KeyState;
  readonly history: OwnHistory;
  readonly sequencer: Sequencer;
  readonly publisher: Publisher;
  /** The newest committed batch; `note` is its published note. */
  readonly last: BatchRow;
  readonly note: string;
  close(): void;
  /** The disk has refused: the database is left as it is, and not closed, which would sync its log once more, find that good, and copy it. */
  abandon(): void;
};

export type OpenOptions = {
  readonly config: Config;
  readonly provider: SignatureProvider;
  readonly nowUnixS: () => number;
};

/**
 * Opens the log and publishes what was committed and not published yet.
 *
 * @throws EvidenceError `storage-in-use`, `storage-missing`, `storage-newer`, `storage-failed`, `key-file-unreadable`, `key-file-mode`, `key-mismatch` (another key than the
 *   log's), `checkpoint-origin`, `checkpoint-ahead`, `log-equivocation`; nothing was signed then
 */
export async function openLog({ config, provider, nowUnixS }: OpenOptions): Promise<OpenLog> {
  const places = placesOf(config);
  if (!existsSync(places.database)) openDatabase(places.database); // says what is missing, before a lock file is made
  const lock = takeLock(places.lock);
  let db: DatabaseSync | undefined;
  try {
    db = openDatabase(places.database);
    const log = readIdentity(db, config);
    const { maxForks } = config.refusals;
    const opened = await resumeLog({ db, log, folder: places.public, maxForks, provider, nowUnixS });
    const close = (): void => {
      opened.close();
      lock.release();
    };
    return { ...opened, close };
  } catch (error) {
    db?.close();
    lock.release();
    throw error;
  }
}

export type ResumeOptions = Omit<OpenOptions, "config"> & {
  readonly db: DatabaseSync;
  readonly log: LogIdentity;
  /** The public folder, and the disk that it is on. */
  readonly folder: string;
  readonly disk?: Disk;
  /** Forks kept as evidence. */
  readonly maxForks: number;
};

/** As {@link openLog}, from a database that is open and a key that is known to be the log's. */
export async function resumeLog({
  db,
  log,
  folder,
  disk = machineDisk,
  maxForks,
  provider,
  nowUnixS,
}: ResumeOptions): Promise<OpenLog> {
  const store = openStore(db);
  const last = store.batches.last();
  if (last === undefined) throw storageFailed("the database has no entry 0");
  const keys = keyStateAt(store.archive, last, provider);
  const sequencer = new Sequencer({ store, keys, nowUnixS, maxForks });
  const vkey = parseVkey(formatVkey(log.origin, log.signer.key));
  const history = new OwnHistory({ origin: log.origin, key: log.signer.key, vkey, provider }, store);
  const file = join(folder, CHECKPOINT_FILE);
  const found = disk.exists(file) ? disk.read(file) : undefined;
  const published =
    found === undefined ? NOTHING : publishedTree(file, found, history, store, vkey, provider);
  const publisher = new Publisher(folder, store, log, published, disk);
  const newest = signable(store, last);
  const isPublished = found !== undefined && published.size >= newest.size;
  // Whoever put it there may have died before its name was there to stay; receipts for that tree leave from here on.
  if (isPublished) await settleFolder(folder, disk);
  const note = isPublished ? decodeUtf8(found) : await publisher.publish(newest);
  return { log, store, keys, history, sequencer, publisher, last, note, ...closing(db) };
}

function closing(db: DatabaseSync): Pick<OpenLog, "close" | "abandon"> {
  let abandoned = false;
  return {
    close: () => {
      if (!abandoned) db.close();
    },
    abandon: () => {
      abandoned = true;
    },
  };
}

/**
 * What may be signed now. A restored log may have committed more than it is known to have signed: not before its devices were heard.
 */
function signable({ batches, missing }: Store, last: BatchRow): BatchRow {
  const restored = missing.restored();
  const isHeard = restored === undefined || restored.heard;
  return isHeard ? last : (batches.at(restored.signed) ?? last);
}

const NOTHING: Published = { size: 0, items: 0 };

/** What the public folder shows already. It is this log's or nobody's: another one's is not overwritten. */
function publishedTree(
  file: string,
  note: Uint8Array,
  history: OwnHistory,
  store: Store,
  vkey: ReturnType<typeof parseVkey>,
  provider: SignatureProvider,
): Published {
  if (history.checkNote(note, file) === "foreign") {
    throw new EvidenceError(
      "checkpoint-origin",
      `${file}: not a checkpoint of this log under its key: move the folder away, and it is written anew`,
    );
  }
  const { size } = openCheckpoint(note, vkey, provider);
  // A size at which no batch ended was never signed by this database: its files may be anything.
  const row = store.batches.at(size);
  return row === undefined ? NOTHING : { size, items: row.registry.count };
}

function readIdentity(db: DatabaseSync, config: Config): LogIdentity {
  const row = db.prepare("SELECT origin, kid FROM log").get();
  const origin = row?.["origin"];
  const kid = row?.["kid"];
  if (typeof origin !== "string" || !(kid instanceof Uint8Array))
    throw storageFailed("the database names no log");
  if (config.origin !== undefined && config.origin !== origin) {
    throw new EvidenceError(
      "checkpoint-origin",
      `origin: the configuration says ${config.origin}, the data is of ${origin}`,
    );
  }
  const path = placesOf(config).logKey;
  const signer = loadSigner(path);
  if (!equalBytes(signer.key.kid, kid)) {
    throw new EvidenceError("key-mismatch", `${path}: not the key of ${origin}`);
  }
  return { origin, signer };
}
