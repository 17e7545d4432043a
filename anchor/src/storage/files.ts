/**
 * Many durable files at once: each written beside its place, synced and renamed, and every folder that changed synced once.
 *
 * @module
 */
import { dirname, join } from "node:path";
import { machineDisk, writeDurable, type Disk } from "@tallystick/evidence/node";
import { storageFailed } from "./database.ts";

export type File = { readonly path: string; readonly bytes: Uint8Array };

/** Folders, and the disk that they are on. */
export type Folders = {
  readonly disk: Disk;
  /** Those whose own names this process has synced, in the folders above them. */
  readonly settled: Set<string>;
};

export const foldersOn = (disk: Disk): Folders => ({ disk, settled: new Set() });

/** Folders remembered; beyond, all are synced once more. */
const MAX_SETTLED = 1024;

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
  { disk, settled }: Folders = foldersOn(machineDisk),
): Promise<void> {
  const folders = new Set<string>();
  try {
    for (const { path } of files) makeFolder(root, dirname(path), folders, { disk, settled });
    await inTurns(files, ({ path, bytes }) =>
      writeDurable(join(root, path), bytes, { syncFolder: false, disk }),
    );
    await inTurns([...folders], (folder) => disk.syncFolder(folder));
    if (settled.size > MAX_SETTLED) settled.clear();
    for (const folder of folders) settled.add(folder);
  } catch (error) {
    throw storageFailed(`${root}: can't write the log's files`, error);
  }
}

/**
 * Notes the folder for syncing. A new one is itself a new name in the folder above; so may be one that is there, where whoever made it died before
 * that was synced.
 */
function makeFolder(root: string, folder: string, changed: Set<string>, { disk, settled }: Folders): void {
  const path = join(root, folder);
  if (changed.has(path)) return;
  const isThere = disk.exists(path);
  if (!isThere || !settled.has(path)) {
    if (folder === ".") changed.add(dirname(root));
    else makeFolder(root, dirname(folder), changed, { disk, settled });
    if (!isThere) disk.makeFolder(path);
  }
  changed.add(path);
}

/** Makes the names in a folder durable, whoever wrote them. @throws EvidenceError `storage-failed` */
export async function settleFolder(path: string, disk: Disk): Promise<void> {
  try {
    await disk.syncFolder(path);
  } catch (error) {
    throw storageFailed(`${path}: can't sync the log's folder`, error);
  }
}

/** Removes folders below `root`; what can't be removed stays, and harms nobody. */
export async function removeFolders(
  root: string,
  folders: readonly string[],
  disk: Disk = machineDisk,
): Promise<void> {
  await inTurns(folders, (folder) => disk.remove(join(root, folder)).catch(() => undefined));
}

async function inTurns<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const runners = Array.from({ length: Math.min(CONCURRENT, items.length) }, async () => {
    for (const item of queue) await work(item);
  });
  await Promise.all(runners);
}
