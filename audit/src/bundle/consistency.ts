/**
 * Proofs that the trees which devices saw grew into a bundle's checkpoint, made from the log's own tiles. Tiles are believed only as far as they lead to
 * the signed root: a proof out of altered tiles would accuse an honest log.
 *
 * @module
 */
import { consistencyPath, HASH_BYTES, tileHashReader, tilePath, type Hash } from "@tallystick/evidence";
import type { AuthenticTiles } from "../log/authentic.ts";

type Needed = { readonly level: number; readonly index: number };

/**
 * The consistency path from a tree of `from` entries to that of `size`.
 *
 * @param tiles - of the log at `size`
 * @throws EvidenceError `tile-…` for a tile that is missing or does not belong to the checkpoint
 */
export async function consistencyProof(
  from: number,
  size: number,
  tiles: AuthenticTiles,
  hash: Hash,
): Promise<readonly Uint8Array[]> {
  // Which tiles a path needs depends on the two sizes alone, so a first run with blank ones lists them.
  const needed = new Map<string, Needed>();
  const blank = (level: number, index: number, width: number): Uint8Array => {
    needed.set(tilePath(level, index, width), { level, index });
    return new Uint8Array(width * HASH_BYTES);
  };
  consistencyPath(from, size, tileHashReader(blank, size, hash), hash);
  const read = new Map<string, Uint8Array>();
  for (const [path, { level, index }] of needed) read.set(path, await tiles.tile(level, index));
  const known = (level: number, index: number, width: number): Uint8Array =>
    read.get(tilePath(level, index, width)) ?? new Uint8Array();
  return consistencyPath(from, size, tileHashReader(known, size, hash), hash);
}
