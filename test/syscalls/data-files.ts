/**
 * The files that a program writes below its data folder, by the names that they will have: strace's `-P` takes a name before the file is there.
 *
 * Groups by the thread that writes them: SQLite's files are the main thread's, the others go through libuv; the data folder itself is synced by both.
 *
 * @module
 */
import { basename, dirname, join } from "node:path";
import { entriesPath, registryPath, TILE_WIDTH, tilePath } from "@tallystick/evidence";

export const GROUPS = ["database", "files", "folder"] as const;
export type Group = (typeof GROUPS)[number];

export type DataFiles = Readonly<Record<Group, readonly string[]>>;

/** Entries and registry items that one story adds, at most. */
const MAX_GROWTH = 40;

const sqlite = (file: string): readonly string[] =>
  ["", "-wal", "-shm", "-journal"].map((end) => `${file}${end}`);

/** A file that is written beside its place. */
function durable(path: string): readonly string[] {
  const at = path.lastIndexOf("/") + 1;
  return [path, `${path.slice(0, at)}.${path.slice(at)}.new`];
}

export const agentFiles = (data: string): DataFiles => ({
  database: [...sqlite(join(data, "agent.db")), ...sqlite(join(data, "agent.lock"))],
  files: durable(join(data, "agent.began")),
  folder: [data],
});

/** @param from - size and registry items of the log before the story */
export function anchorFiles(
  data: string,
  from: { readonly size: number; readonly items: number },
): DataFiles {
  const published = new Set<string>(["checkpoint"]);
  for (let size = from.size; size <= from.size + MAX_GROWTH; size++) {
    for (const [number, width] of tilesAt(size)) {
      published.add(tilePath(0, number, width));
      published.add(entriesPath(number, width));
    }
    published.add(tilePath(1, 0, Math.max(1, Math.floor(size / TILE_WIDTH))));
  }
  for (let items = from.items; items <= from.items + MAX_GROWTH; items++)
    for (const [number, width] of tilesAt(items)) published.add(registryPath(number, width));
  const folders = new Set(["."]);
  for (const path of published)
    for (let at = path.lastIndexOf("/"); at > 0; at = path.lastIndexOf("/", at - 1))
      folders.add(path.slice(0, at));
  const inbox = Array.from({ length: MAX_GROWTH }, (_, i) => inboxFile(data, from.items + i));
  const publicFolder = join(data, "public");
  return {
    database: ["anchor.db", "anchor.lock", "alarms.db"].flatMap((file) => sqlite(join(data, file))),
    files: [
      ...[...folders].map((folder) => join(publicFolder, folder)),
      ...[...published].flatMap((path) => durable(join(publicFolder, path))),
      ...inbox,
      ...inbox.map((file) => join(dirname(file), "done", basename(file))),
    ],
    folder: [data],
  };
}

/** Where an operator's tool leaves registry item `number`. */
const inboxFile = (data: string, number: number): string =>
  join(data, "inbox", `${String(number).padStart(9, "0")}.cose`);

/** Tiles that a tree of this size ends in: the last one, and the full one before. */
function* tilesAt(size: number): Generator<readonly [number: number, width: number], void, undefined> {
  if (size === 0) return;
  const last = Math.floor((size - 1) / TILE_WIDTH);
  yield [last, size - last * TILE_WIDTH];
  if (last > 0) yield [last - 1, TILE_WIDTH];
}
