/**
 * The log as files (C2SP tlog-tiles): tiles, entry bundles and registry bundles first, the checkpoint last, each durable before the next.
 *
 * The folder is a view of the database. After each batch and at start-up the same code writes what lies between two sizes, so that
 * recovery is the normal path and a lost folder is written anew.
 *
 * @module
 */
import {
  encodeEntries,
  encodeUtf8,
  entriesPath,
  registryPath,
  TILE_WIDTH,
  tilePath,
  tilesForGrowth,
} from "@tallystick/evidence";
import { machineDisk, type Disk } from "@tallystick/evidence/node";
import type { Store } from "../sequence/sequence.ts";
import { signedNote, type LogIdentity } from "./sign.ts";
import type { BatchRow } from "../storage/batches.ts";
import { foldersOn, removeFolders, writeFiles, type File, type Folders } from "../storage/files.ts";

/** Where the newest signed note is, in the public folder. */
export const CHECKPOINT_FILE = "checkpoint";

/** Tiles written at once, when much is to be written: about 2 MiB. */
const TILES_AT_ONCE = 128;

/** What is published: a size and the number of registry items below it. */
export type Published = { readonly size: number; readonly items: number };

export class Publisher {
  readonly #folder: string;
  readonly #folders: Folders;
  readonly #store: Store;
  readonly #log: LogIdentity;
  #published: Published;
  /** Folders of partial tiles whose full tile is published. */
  readonly #superseded: string[] = [];
  #tidying: Promise<void> | undefined;
  /** The first time, a crash may have left partial tiles beyond what is published. */
  #first = true;

  constructor(
    folder: string,
    store: Store,
    log: LogIdentity,
    published: Published,
    disk: Disk = machineDisk,
  ) {
    this.#folder = folder;
    this.#folders = foldersOn(disk);
    this.#store = store;
    this.#log = log;
    this.#published = published;
  }

  get size(): number {
    return this.#published.size;
  }

  /**
   * Publishes a committed batch and returns its signed note, which is durable by then.
   *
   * @throws EvidenceError `storage-failed`
   */
  async publish(batch: BatchRow): Promise<string> {
    const from = this.#published;
    const tiles = tilesForGrowth(from.size, batch.size);
    const began = (level: number, index: number): boolean =>
      this.#first || Math.floor(from.size / TILE_WIDTH ** level) > index * TILE_WIDTH;
    for (let at = 0; at < tiles.length; at += TILES_AT_ONCE) {
      const files: File[] = [];
      for (const { level, index, width } of tiles.slice(at, at + TILES_AT_ONCE)) {
        files.push({
          path: tilePath(level, index, width),
          bytes: this.#store.tiles.read(level, index, width),
        });
        const supersedes = width === TILE_WIDTH && began(level, index);
        if (supersedes) this.#supersede(tilePath(level, index, TILE_WIDTH));
        if (level > 0) continue;
        const entries = this.#store.archive.entries(index * TILE_WIDTH, index * TILE_WIDTH + width);
        files.push({ path: entriesPath(index, width), bytes: encodeEntries(entries) });
        if (supersedes) this.#supersede(entriesPath(index, TILE_WIDTH));
      }
      await writeFiles(this.#folder, files, this.#folders);
    }
    await this.#publishRegistry(from.items, batch.registry.count);
    const note = await signedNote(this.#log, batch);
    await writeFiles(this.#folder, [{ path: CHECKPOINT_FILE, bytes: encodeUtf8(note) }], this.#folders);
    this.#published = { size: batch.size, items: batch.registry.count };
    this.#first = false;
    return note;
  }

  /**
   * Removes partial tiles whose full tile is there (tlog-tiles allows it). No batch need wait for it: it takes longer than publishing one. Once at a
   * time; what is superseded meanwhile goes too.
   */
  tidy(): Promise<void> {
    this.#tidying ??= this.#removeSuperseded().finally(() => {
      this.#tidying = undefined;
    });
    return this.#tidying;
  }

  async #removeSuperseded(): Promise<void> {
    while (this.#superseded.length > 0)
      await removeFolders(this.#folder, this.#superseded.splice(0), this.#folders.disk);
  }

  /** Bundles that the items `from` up to `to` begin, extend or fill. */
  async #publishRegistry(from: number, to: number): Promise<void> {
    if (from === to) return;
    for (let number = Math.floor(from / TILE_WIDTH); number * TILE_WIDTH < to; number++) {
      const start = number * TILE_WIDTH;
      const items = [...this.#store.archive.items(start, Math.min(to, start + TILE_WIDTH))];
      const bytes = encodeEntries(items.map((item) => item.bytes));
      await writeFiles(this.#folder, [{ path: registryPath(number, items.length), bytes }], this.#folders);
      if (items.length === TILE_WIDTH) this.#supersede(registryPath(number, TILE_WIDTH));
    }
  }

  #supersede(full: string): void {
    this.#superseded.push(`${full}.p`);
  }
}
