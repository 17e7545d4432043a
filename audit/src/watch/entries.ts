/**
 * Derives the entries that are new: each bundle is hashed and compared with its tile, which leads to the checkpoint. So what the log says to hold is what it signed.
 *
 * @module
 */
import {
  entriesPath,
  equalBytes,
  EvidenceError,
  TILE_WIDTH,
  tileWidth,
  type Hash,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import type { AuthenticTiles } from "../log/authentic.ts";
import { leafHashes, readEntries } from "../log/tile-files.ts";

/** Bundles on their way at once. */
const AHEAD = 16;

export type Derivation = {
  readonly place: Place;
  /** Of the log at `size`. */
  readonly tiles: AuthenticTiles;
  readonly size: number;
  readonly hash: Hash;
  /** Sees each bundle, 34 bytes an entry, whose first entry has log index `first`. */
  readonly onEntries: (first: number, bundle: Uint8Array) => void;
};

/**
 * Derives the entries `from` up to `to`, both ends rounded outwards to whole bundles within the log.
 *
 * @returns the entries that are derived now
 * @throws EvidenceError `tile-mismatch` for entries that do not lead to the checkpoint, `tile-…`, `unreachable`, `http-answer`
 */
export async function deriveEntries(given: Derivation, from: number, to: number): Promise<number> {
  const { tiles, size } = given;
  const end = Math.ceil(to / TILE_WIDTH);
  for (let index = Math.floor(from / TILE_WIDTH); index < end;) {
    await tiles.tile(0, index); // and with it what lies above, which the others share
    const some = Array.from({ length: Math.min(AHEAD, end - index) }, (_, i) => index + i);
    const bundles = await Promise.all(some.map((one) => derived(given, one)));
    for (const [i, bundle] of bundles.entries()) given.onEntries((index + i) * TILE_WIDTH, bundle);
    index += some.length;
  }
  return Math.min(size, end * TILE_WIDTH);
}

async function derived({ place, tiles, size, hash }: Derivation, index: number): Promise<Uint8Array> {
  const width = tileWidth(0, index, size);
  const [bundle, tile] = await Promise.all([readEntries(place, index, width), tiles.tile(0, index)]);
  if (equalBytes(leafHashes(bundle, hash), tile)) return bundle;
  const path = entriesPath(index, width);
  throw new EvidenceError(
    "tile-mismatch",
    `${path} was altered: its tile leads to the checkpoint, it does not`,
    {
      path,
    },
  );
}
