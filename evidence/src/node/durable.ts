/**
 * Files that survive a power cut: written beside their place, synced, renamed into it, and the folder synced.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { machineDisk, type Disk } from "./disk.ts";

/**
 * Replaces or makes the file `path`. A reader sees the old content or the new, never a part.
 *
 * @param syncFolder - false where the caller syncs the folder once for many files
 */
export async function writeDurable(
  path: string,
  bytes: Uint8Array | string,
  {
    syncFolder = true,
    mode = 0o644,
    disk = machineDisk,
  }: { readonly syncFolder?: boolean; readonly mode?: number; readonly disk?: Disk } = {},
): Promise<void> {
  const folder = dirname(path);
  disk.makeFolder(folder);
  const beside = join(folder, `.${basename(path)}.new`);
  const file = await disk.create(beside, mode);
  try {
    await file.write(bytes);
    await file.sync();
  } catch (error) {
    await file.close();
    await disk.remove(beside);
    throw error;
  }
  await file.close();
  await disk.rename(beside, path);
  if (syncFolder) await disk.syncFolder(folder);
}

/** Makes renames and new names in a folder durable. */
export const syncDirectory = (folder: string): Promise<void> => machineDisk.syncFolder(folder);
