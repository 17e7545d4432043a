/**
 * Files that survive a power cut: written beside their place, synced, renamed into it, and the folder synced.
 *
 * @module
 */
import { mkdirSync } from "node:fs";
import { open, rename, rm } from "node:fs/promises";
import { basename, dirname, join } from "node:path";

/**
 * Replaces or makes the file `path`. A reader sees the old content or the new, never a part.
 *
 * @param syncFolder - false where the caller syncs the folder once for many files
 */
export async function writeDurable(
  path: string,
  bytes: Uint8Array | string,
  { syncFolder = true, mode = 0o644 }: { readonly syncFolder?: boolean; readonly mode?: number } = {},
): Promise<void> {
  const folder = dirname(path);
  mkdirSync(folder, { recursive: true });
  const beside = join(folder, `.${basename(path)}.new`);
  const file = await open(beside, "w", mode);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(beside, { force: true });
    throw error;
  }
  await file.close();
  await rename(beside, path);
  if (syncFolder) await syncDirectory(folder);
}

/** Makes renames and new names in a folder durable. */
export async function syncDirectory(folder: string): Promise<void> {
  const handle = await open(folder, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
