/**
 * A copy of a log's public directory as a source of a restore: its signed note, its entries, its registry.
 *
 * @module
 */
import {
  concatBytes,
  decodeEntries,
  entriesPath,
  equalBytes,
  EvidenceError,
  hashLeaf,
  HASH_BYTES,
  LIMITS,
  MAX_NOTE_BYTES,
  openCheckpoint,
  registryPath,
  TILE_WIDTH,
  tilePath,
} from "@tallystick/evidence";
import { nodeSha256, type Place } from "@tallystick/evidence/node";
import type { OwnLog } from "../log/own-history.ts";
import { CHECKPOINT_FILE } from "../publish/publish.ts";

/** Entries and hashes of one tile: 34 and 32 bytes each. */
const MAX_PART_BYTES = 65_536;
const MAX_BUNDLE_BYTES = TILE_WIDTH * (2 + LIMITS.maxStatementBytes);
/** Requests at a time where the last registry bundle is searched for. */
const SEARCHED_AT_ONCE = 16;

export class PublicCopy {
  readonly name: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly #files: Place;

  private constructor(files: Place, { size, root }: { readonly size: number; readonly root: Uint8Array }) {
    this.name = files.name;
    this.size = size;
    this.root = root;
    this.#files = files;
  }

  /**
   * Reads the note, which says what the rest has to lead to.
   *
   * @throws EvidenceError `storage-missing` where there is none, `checkpoint-origin`, `note-signature`, and whatever a note or a read is refused with
   */
  static async open(files: Place, { vkey, provider }: OwnLog): Promise<PublicCopy> {
    const note = await files.read(CHECKPOINT_FILE, MAX_NOTE_BYTES);
    if (note === undefined) {
      throw new EvidenceError("storage-missing", `${files.name}: neither a backup nor a public directory`);
    }
    try {
      return new PublicCopy(files, openCheckpoint(note, vkey, provider));
    } catch (error) {
      throw named(error, files.name);
    }
  }

  /**
   * The entries of leaf tile `index`, which lead to the hashes in its tile.
   *
   * @throws EvidenceError `tile-missing`, `tile-malformed`, `tile-mismatch`, and what a read is refused with
   */
  async entries(index: number, width: number): Promise<Uint8Array[]> {
    const [bundle, tile] = await Promise.all([
      this.#part((wide) => entriesPath(index, wide), width),
      this.#part((wide) => tilePath(0, index, wide), width),
    ]);
    let entries: Uint8Array[];
    try {
      entries = decodeEntries(bundle.bytes, bundle.width).slice(0, width);
    } catch (error) {
      throw named(error, `${this.name}: ${bundle.path}`);
    }
    if (entries.some((entry) => entry.length !== HASH_BYTES)) {
      throw new EvidenceError("tile-malformed", `${this.name}: ${bundle.path}: an entry has not 32 bytes`);
    }
    const hashes = concatBytes(...entries.map((entry) => hashLeaf(entry, nodeSha256)));
    if (!equalBytes(hashes, tile.bytes.subarray(0, width * HASH_BYTES))) {
      throw new EvidenceError(
        "tile-mismatch",
        `${this.name}: ${bundle.path} and ${tile.path} disagree: give another copy beside it`,
      );
    }
    return entries;
  }

  /**
   * The registry's items in their order, as far as they are published: an item may be there before the note that covers it.
   *
   * @throws EvidenceError `tile-malformed`, and what a read is refused with
   */
  async items(): Promise<Uint8Array[]> {
    const items: Uint8Array[] = [];
    for (let index = 0; ; index++) {
      const found = await this.#bundle(index);
      if (found === undefined) return items;
      try {
        items.push(...decodeEntries(found.bytes, found.width));
      } catch (error) {
        throw named(error, `${this.name}: ${registryPath(index, found.width)}`);
      }
      if (found.width < TILE_WIDTH) return items;
    }
  }

  /** A partial file that its log has removed since is the beginning of the full one (tlog-tiles, "Partial Tiles"). */
  async #part(
    path: (width: number) => string,
    width: number,
  ): Promise<{ readonly bytes: Uint8Array; readonly width: number; readonly path: string }> {
    for (const wide of new Set([width, TILE_WIDTH])) {
      const bytes = await this.#files.read(path(wide), MAX_PART_BYTES);
      if (bytes !== undefined) return { bytes, width: wide, path: path(wide) };
    }
    throw new EvidenceError(
      "tile-missing",
      `${this.name}: ${path(width)} is not there: give another copy beside it`,
    );
  }

  /** The widest file of a registry bundle. No name in the copy says how wide it is. */
  async #bundle(index: number): Promise<{ readonly bytes: Uint8Array; readonly width: number } | undefined> {
    for (let high = TILE_WIDTH; high > 0;) {
      const low = high === TILE_WIDTH ? high : Math.max(1, high - SEARCHED_AT_ONCE + 1);
      const widths = Array.from({ length: high - low + 1 }, (_, i) => high - i);
      const read = (width: number) => this.#files.read(registryPath(index, width), MAX_BUNDLE_BYTES);
      const answers = await Promise.all(widths.map(read));
      for (const [i, bytes] of answers.entries()) if (bytes !== undefined) return { bytes, width: high - i };
      high = low - 1;
    }
    return undefined;
  }
}

function named(error: unknown, where: string): unknown {
  if (!(error instanceof EvidenceError)) return error;
  return new EvidenceError(error.code, `${where}: ${error.message}`, error.where, error);
}
