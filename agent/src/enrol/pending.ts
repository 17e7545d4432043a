/**
 * The invite with which a device is being enrolled, as long as it isn't: so that a command that was interrupted, or a power cut, can go on where it was. It is for its owner only, and gone as soon as
 * it has served.
 *
 * @module
 */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { writeDurable } from "@tallystick/evidence/node";
import { storageError } from "../storage/storage.ts";

const FILE = "agent.invite";

export function readPending(directory: string): string | undefined {
  const path = join(directory, FILE);
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** @throws EvidenceError `storage-full`, `storage-failed` */
export async function writePending(directory: string, line: string): Promise<void> {
  const path = join(directory, FILE);
  try {
    await writeDurable(path, `${line}\n`, { mode: 0o600 });
  } catch (cause) {
    throw storageError(cause, path);
  }
}

export const removePending = (directory: string): void => rmSync(join(directory, FILE), { force: true });
