/**
 * Many durable files at once: each written beside its place, synced and renamed, and every folder that changed synced once.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { machineDisk, writeDurable, type Disk } from "@tallystick/evidence/node";
import { storageFailed } from "./database.ts";

export type File = { readonly path: string; readonly bytes: Uint8Array };

/** Files in flight: enough to keep libuv's threads busy while the disk syncs. */
const CONCURRENT = 64;

/**
 * Writes files below `root` (paths with `/`, relative to it). When it returns, all of them survive a power cut.
 *
 * @throws EvidenceError `storage-failed`; some files may be there then, which does no harm: they are written again
 */
export async function writeFiles(
  root: string,
  files: readonly File[],
  disk: Disk = machineDisk,
): Promise<void> {
  const folders = new Set<string>();
  try {
    for (const { path } of files) makeFolder(root, dirname(path), folders, disk);
    await inTurns(files, ({ path, bytes }) =>
      writeDurable(join(root, path), bytes, { syncFolder: false, disk }),
    );
    await inTurns([...folders], (folder) => disk.syncFolder(folder));
  } catch (error) {
    throw storageFailed(`${root}: can't write the log's files`, error);
  }
}

/** Notes the folder for syncing; a new one is itself a new name in the folder above. */
function makeFolder(root: string, folder: string, changed: Set<string>, disk: Disk): void {
  const path = join(root, folder);
  if (changed.has(path)) return;
  if (!disk.exists(path)) {
    if (folder === ".") changed.add(dirname(root));
    else makeFolder(root, dirname(folder), changed, disk);
    disk.makeFolder(path);
  }
  changed.add(path);
}

/** Removes folders below `root`; what can't be removed stays, and harms nobody. */
export async function removeFolders(
  root: string,
  folders: readonly string[],
  disk: Disk = machineDisk,
): Promise<void> {
  await inTurns(folders, (folder) => disk.remove(join(root, folder)));
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const runners = Array.from({ length: Math.min(CONCURRENT, items.length) }, async () => {
    for (const item of queue) await work(item);
  });
  await Promise.all(runners);
}
