/**
 * Reads one tile or entry bundle of a log of a known size, and refuses what has not exactly the bytes that the size demands.
 * Whether they are the right bytes is for the callers, who hash.
 *
 * @module
 */
import {
  entriesPath,
  EvidenceError,
  HASH_BYTES,
  TILE_WIDTH,
  tilePath,
  type Hash,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";

/** A ledger entry in its bundle: big-endian uint16 length, always 32, and the hash of a statement (formats.md section 7). */
export const ENTRY_BYTES = 2 + HASH_BYTES;
/** More than any part has: a file that is somewhat too long is named as such, not as too large. */
const MAX_PART_BYTES = 65_536;

/** Levels that a log of `size` entries has tiles of. */
export function levelCount(size: number): number {
  let count = 0;
  for (let hashes = size; hashes > 0; hashes = Math.floor(hashes / TILE_WIDTH)) count++;
  return count;
}

/**
 * The hashes of one tile, `width` × 32 bytes.
 *
 * @throws EvidenceError `tile-missing`, `tile-malformed`, or what {@link Place.read} throws
 */
export const readTile = (place: Place, level: number, index: number, width: number): Promise<Uint8Array> =>
  readPart(place, (w) => tilePath(level, index, w), width, HASH_BYTES);

/**
 * The bundle of the entries that leaf tile `index` hashes, `width` × 34 bytes, each with its length before it.
 *
 * @throws EvidenceError `tile-missing`, `tile-malformed`, or what {@link Place.read} throws
 */
export async function readEntries(place: Place, index: number, width: number): Promise<Uint8Array> {
  const path = (w: number): string => entriesPath(index, w);
  const bytes = await readPart(place, path, width, ENTRY_BYTES);
  for (let at = 0; at < bytes.length; at += ENTRY_BYTES) {
    if (bytes[at] !== 0 || bytes[at + 1] !== HASH_BYTES) {
      const reason = `${path(width)}: entry ${at / ENTRY_BYTES} of it has not 32 bytes`;
      throw new EvidenceError("tile-malformed", reason, { path: path(width) });
    }
  }
  return bytes;
}

/** A partial file that its log has removed since is the beginning of the full one (tlog-tiles, "Partial Tiles"). */
async function readPart(
  place: Place,
  path: (width: number) => string,
  width: number,
  itemBytes: number,
): Promise<Uint8Array> {
  const bytes = await readWhole(place, path(width), width * itemBytes);
  if (bytes !== undefined) return bytes;
  const full =
    width < TILE_WIDTH ? await readWhole(place, path(TILE_WIDTH), TILE_WIDTH * itemBytes) : undefined;
  if (full === undefined) {
    throw new EvidenceError("tile-missing", `${path(width)} is not there`, { path: path(width) });
  }
  return full.subarray(0, width * itemBytes);
}

async function readWhole(place: Place, path: string, expected: number): Promise<Uint8Array | undefined> {
  const bytes = await place.read(path, MAX_PART_BYTES);
  if (bytes === undefined || bytes.length === expected) return bytes;
  const reason = `${path} has ${bytes.length} bytes where ${expected} belong`;
  throw new EvidenceError("tile-malformed", reason, { path });
}

/** Leaf hash of each entry of a bundle, SHA-256(00 || entry), with one buffer for all inputs. */
export function leafHashes(bundle: Uint8Array, hash: Hash): Uint8Array {
  const count = bundle.length / ENTRY_BYTES;
  const hashes = new Uint8Array(count * HASH_BYTES);
  const input = new Uint8Array(1 + HASH_BYTES);
  for (let i = 0; i < count; i++) {
    input.set(bundle.subarray(i * ENTRY_BYTES + 2, (i + 1) * ENTRY_BYTES), 1);
    hashes.set(hash(input), i * HASH_BYTES);
  }
  return hashes;
}
