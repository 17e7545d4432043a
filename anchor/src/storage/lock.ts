/**
 * One anchor a data folder: two that sequence the same log would give one index twice.
 *
 * @module
 */
import { DatabaseSync } from "node:sqlite";
import { EvidenceError } from "@tallystick/evidence";

/** Let go when the process ends, however it ends: the operating system holds it, not the file. */
export type Lock = { release(): void };

/**
 * Takes the lock of a data folder.
 *
 * @throws EvidenceError `storage-in-use` while another process holds it
 */
export function takeLock(path: string): Lock {
  const db = new DatabaseSync(path, { timeout: 0 });
  try {
    db.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (cause) {
    db.close();
    throw new EvidenceError(
      "storage-in-use",
      `${path}: another tally-anchor runs on this data; stop it first`,
      {},
      cause,
    );
  }
  return { release: () => db.close() };
}
