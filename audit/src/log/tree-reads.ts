/**
 * Roots and proofs out of a log's own tiles, as far as these lead to its signed root.
 *
 * @module
 */
import {
  consistencyPath,
  HASH_BYTES,
  tileHashReader,
  tilePath,
  treeRoot,
  type Hash,
  type HashReader,
} from "@tallystick/evidence";
import type { AuthenticTiles } from "./authentic.ts";

type Needed = { readonly level: number; readonly index: number };

/**
 * What `compute` makes of the hashes of a tree of `size`. It is run twice: which tiles it needs depends on sizes alone, so a first run with blank ones
 * lists them.
 *
 * @param tiles - of the log at `size`
 * @throws EvidenceError `tile-…` for a tile that is missing or does not belong to the checkpoint
 */
export async function fromTiles<T>(
  tiles: AuthenticTiles,
  size: number,
  hash: Hash,
  compute: (read: HashReader) => T,
): Promise<T> {
  const needed = new Map<string, Needed>();
  const blank = (level: number, index: number, width: number): Uint8Array => {
    needed.set(tilePath(level, index, width), { level, index });
    return new Uint8Array(width * HASH_BYTES);
  };
  compute(tileHashReader(blank, size, hash));
  const read = new Map<string, Uint8Array>();
  for (const [path, { level, index }] of needed) read.set(path, await tiles.tile(level, index));
  const known = (level: number, index: number, width: number): Uint8Array =>
    read.get(tilePath(level, index, width)) ?? new Uint8Array();
  return compute(tileHashReader(known, size, hash));
}

/** The tree of the first `from` entries of a larger one: its root, and the proof that the larger one grew from it. */
export type Beginning = { readonly root: Uint8Array; readonly path: readonly Uint8Array[] };

/** Errors as {@link fromTiles}. @param from - 1 to `size` */
export const beginningOf = (
  from: number,
  size: number,
  tiles: AuthenticTiles,
  hash: Hash,
): Promise<Beginning> =>
  fromTiles(tiles, size, hash, (read) => ({
    root: treeRoot(from, read, hash),
    path: consistencyPath(from, size, read, hash),
  }));
