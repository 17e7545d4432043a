/**
 * One anchor a data folder: two that sequence the same log would give one index twice.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { EvidenceError } from "@tallystick/evidence";
import { storageFailed } from "./database.ts";

/** Let go when the process ends, however it ends: the operating system holds it, not the file. */
export type Lock = { release(): void };

/**
 * Takes the lock of a data folder.
 *
 * @throws EvidenceError `storage-in-use` while another process holds it, `storage-failed` where the disk refuses it
 */
export function takeLock(path: string): Lock {
  let db: DatabaseSync | undefined;
  try {
    db = new DatabaseSync(path, { timeout: 0 });
    db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (cause) {
    db?.close();
    if (!isBusy(cause)) throw storageFailed(`${path}: can't take the lock`, cause);
    throw new EvidenceError(
      "storage-in-use",
      `${path}: another tally-anchor runs on this data; stop it first`,
      {},
      cause,
    );
  }
  const held = db;
  return { release: () => held.close() };
}

/** SQLITE_BUSY, with any extension. */
const isBusy = (cause: unknown): boolean =>
  cause instanceof Error && "errcode" in cause && (Number(cause.errcode) & 0xff) === 5;
