/**
 * Files that are made once: written beside their place, synced, and linked into it, which of any number of processes succeeds in exactly one, whichever of them dies midway.
 *
 * @module
 */
import { randomUUID } from "node:crypto";
import { linkSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { EvidenceError } from "@tallystick/evidence";
import { syncDirectory, writeDurable } from "@tallystick/evidence/node";

/** Longest file that is read here. */
const MAX_BYTES = 65_536;

/**
 * Makes the file. Once this resolves it survives a power cut, whoever made it.
 *
 * @param mode - by default for its owner only
 * @returns false where it is there already
 */
export async function makeOnce(path: string, bytes: string | Uint8Array, mode = 0o600): Promise<boolean> {
  const folder = dirname(path);
  const beside = join(folder, `.${basename(path)}.${randomUUID()}`);
  await writeDurable(beside, bytes, { mode, syncFolder: false });
  let made = true;
  try {
    linkSync(beside, path);
  } catch (error) {
    if (!isErrno(error, "EEXIST")) throw error;
    made = false;
  } finally {
    rmSync(beside, { force: true });
  }
  await syncDirectory(folder); // also of the one who made it and died before this
  return made;
}

/** Its bytes; undefined where it isn't there. @throws EvidenceError `too-large` */
export function readIfThere(path: string): Uint8Array | undefined {
  try {
    const about = statSync(path);
    if (!about.isFile()) throw new Error(`${path}: not a file`); // one that never ends would be waited for
    if (about.size > MAX_BYTES)
      throw new EvidenceError("too-large", `${path}: too large for a file of its kind`);
    return new Uint8Array(readFileSync(path));
  } catch (error) {
    if (isErrno(error, "ENOENT")) return undefined;
    throw error;
  }
}

const isErrno = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;
