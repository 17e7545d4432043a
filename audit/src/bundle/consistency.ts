/**
 * Proofs that the trees which devices saw grew into a bundle's checkpoint, made from the log's own tiles. Tiles are believed only as far as they lead to
 * the signed root: a proof out of altered tiles would accuse an honest log.
 *
 * @module
 */
import { consistencyPath, type Hash } from "@tallystick/evidence";
import type { AuthenticTiles } from "../log/authentic.ts";
import { fromTiles } from "../log/tree-reads.ts";

/**
 * The consistency path from a tree of `from` entries to that of `size`.
 *
 * @param tiles - of the log at `size`
 * @throws EvidenceError `tile-…` for a tile that is missing or does not belong to the checkpoint
 */
export const consistencyProof = (
  from: number,
  size: number,
  tiles: AuthenticTiles,
  hash: Hash,
): Promise<readonly Uint8Array[]> =>
  fromTiles(tiles, size, hash, (read) => consistencyPath(from, size, read, hash));
