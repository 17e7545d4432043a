/**
 * What is inside the files of a log: tiles of hashes, made from a tree and read as one, and entry bundles.
 *
 * @module
 */
import { EvidenceError } from "../errors.ts";
import { half, isCount, nodeHasher } from "./merkle.ts";
import type { HashReader } from "./proofs.ts";
import { HASH_BYTES, sha256, type Hash } from "../sha256.ts";
import { TILE_WIDTH, tileWidth, type Tile } from "./tiles.ts";

/** A tile is the subtree of eight tree levels above its hashes. */
const LEVELS = 8;

/** Longest entry that its uint16 length can state. */
const MAX_ENTRY_BYTES = 0xffff;

const LENGTH_BYTES = 2;

/** Content of a tile: the hashes of `width` full subtrees, one after the other. Throws what `read` throws. */
export function encodeTile({ level, index, width }: Tile, read: HashReader): Uint8Array {
  const bytes = new Uint8Array(width * HASH_BYTES);
  for (let i = 0; i < width; i++) bytes.set(read(level * LEVELS, index * TILE_WIDTH + i), i * HASH_BYTES);
  return bytes;
}

/**
 * Reads the hashes of full subtrees out of the tiles of a tree of `size`. Each call asks for one tile and, above its lowest level,
 * hashes up to 255 nodes; `getTile` is the place for a cache.
 *
 * The hashes are authenticated by nobody: compare `treeRoot` with a signed root, or let a proof's verifier do it.
 *
 * @param getTile - gives the content of the tile, in exactly this width
 * @returns a reader that throws `tile-coordinates` for a subtree that the tree has not in full, `tile-malformed` for a tile of
 *   another length, and what `getTile` throws
 */
export function tileHashReader(
  getTile: (level: number, index: number, width: number) => Uint8Array,
  size: number,
  hash: Hash = sha256,
): HashReader {
  const node = nodeHasher(hash);
  return (level, index) => {
    if (!isCount(level) || !isCount(index) || !((index + 1) * 2 ** level <= size)) {
      throw new EvidenceError("tile-coordinates", "no full subtree there", { level, index, size });
    }
    const tileLevel = Math.floor(level / LEVELS);
    const hashes = 2 ** (level % LEVELS); // that the node is made of, in its tile
    const first = index * hashes;
    const tileIndex = Math.floor(first / TILE_WIDTH);
    const width = tileWidth(tileLevel, tileIndex, size);
    const tile = getTile(tileLevel, tileIndex, width);
    if (tile.length !== width * HASH_BYTES) {
      throw new EvidenceError("tile-malformed", "a tile of another length than its width says", {
        level: tileLevel,
        index: tileIndex,
        width,
        bytes: tile.length,
      });
    }
    const at = (first % TILE_WIDTH) * HASH_BYTES;
    return join(tile.slice(at, at + hashes * HASH_BYTES), node);
  };
}

/** Root over a power of two of hashes. */
function join(hashes: Uint8Array, node: (left: Uint8Array, right: Uint8Array) => Uint8Array): Uint8Array {
  if (hashes.length === HASH_BYTES) return hashes;
  const middle = half(hashes.length);
  return node(join(hashes.subarray(0, middle), node), join(hashes.subarray(middle), node));
}

/**
 * An entry bundle, or a bundle of registry items.
 *
 * @throws EvidenceError `tile-malformed` unless there are 1 to 256 entries of at most 65,535 bytes
 */
export function encodeEntries(entries: readonly Uint8Array[]): Uint8Array {
  checkWidth(entries.length);
  const tooLong = entries.findIndex((entry) => entry.length > MAX_ENTRY_BYTES);
  if (tooLong !== -1) {
    throw new EvidenceError("tile-malformed", "an entry is too long for a bundle", { entry: tooLong });
  }
  const bytes = new Uint8Array(entries.reduce((sum, entry) => sum + LENGTH_BYTES + entry.length, 0));
  let at = 0;
  for (const entry of entries) {
    bytes[at] = entry.length >> 8;
    bytes[at + 1] = entry.length & 0xff;
    bytes.set(entry, at + LENGTH_BYTES);
    at += LENGTH_BYTES + entry.length;
  }
  return bytes;
}

/**
 * Reads a bundle of exactly `width` entries; they are views of `bytes`.
 *
 * @throws EvidenceError `tile-malformed` for an entry that is cut off, for too few, and for bytes after the last one
 */
export function decodeEntries(bytes: Uint8Array, width: number): Uint8Array[] {
  checkWidth(width);
  const entries: Uint8Array[] = [];
  let at = 0;
  while (entries.length < width) {
    const start = at + LENGTH_BYTES;
    // hostile: the length is read from the input
    const end = start + (((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0));
    if (end > bytes.length) {
      throw new EvidenceError("tile-malformed", "a bundle ends early", { entry: entries.length, at });
    }
    entries.push(bytes.subarray(start, end));
    at = end;
  }
  if (at !== bytes.length) {
    throw new EvidenceError("tile-malformed", "bytes after the last entry of a bundle", {
      entries: width,
      at,
    });
  }
  return entries;
}

function checkWidth(entries: number): void {
  if (!isCount(entries) || entries < 1 || entries > TILE_WIDTH) {
    throw new EvidenceError("tile-malformed", "a bundle holds 1 to 256 entries", { entries });
  }
}
