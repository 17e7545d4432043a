/**
 * The entries of the log that is being rebuilt, tile after tile: from the source with the newest tree, and where that one has a file missing or altered,
 * from another that holds those entries too. Whether they are right shows at the signed root.
 *
 * @module
 */
import { EvidenceError, HASH_BYTES, isEvidenceError, TILE_WIDTH } from "@tallystick/evidence";
import type { DatabaseCopy } from "./database-copy.ts";
import type { PublicCopy } from "./public-copy.ts";

export type EntrySource = {
  readonly name: string;
  /** Entries that it has. */
  readonly size: number;
  entries(index: number, width: number): Promise<Uint8Array[]>;
};

/** Tiles asked for ahead of the one that is hashed. */
const AHEAD = 24;

export const entriesOfCopy = (copy: PublicCopy): EntrySource => copy;

export const entriesOfDatabase = (copy: DatabaseCopy): EntrySource => ({
  name: copy.name,
  size: copy.head.size,
  async entries(index, width) {
    const rows = copy.rows(index * TILE_WIDTH, index * TILE_WIDTH + width);
    if (rows.length !== width || rows.some(({ hash }) => hash.length !== HASH_BYTES)) {
      throw new EvidenceError("backup-malformed", `${copy.name}: not all entries of tile ${index} are there`);
    }
    return await Promise.resolve(rows.map(({ hash }) => hash));
  },
});

/**
 * The entries up to `size`, one array a leaf tile.
 *
 * @param sources - in the order in which they are asked
 * @throws EvidenceError what the first source said, where none has a tile
 */
export async function* entryTiles(
  sources: readonly EntrySource[],
  size: number,
): AsyncGenerator<readonly Uint8Array[], void, undefined> {
  const count = Math.ceil(size / TILE_WIDTH);
  const ahead: Promise<Uint8Array[]>[] = [];
  for (let index = 0; index < count; index++) {
    for (let next = index + ahead.length; next < Math.min(count, index + AHEAD); next++) {
      const tile = fromAny(sources, next, Math.min(TILE_WIDTH, size - next * TILE_WIDTH));
      tile.catch(() => undefined); // awaited in its turn
      ahead.push(tile);
    }
    yield (await ahead.shift()) ?? [];
  }
}

async function fromAny(sources: readonly EntrySource[], index: number, width: number): Promise<Uint8Array[]> {
  let first: unknown;
  for (const source of sources) {
    if (source.size < index * TILE_WIDTH + width) continue;
    try {
      return await source.entries(index, width);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      first ??= error;
    }
  }
  throw first ?? new EvidenceError("tile-missing", `no source has tile ${index}`);
}
