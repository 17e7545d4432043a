/**
 * Tiles that are known to belong to a checkpoint: each is hashed up to the signed root before its hashes are handed out. The
 * same knowledge tells which of two files that disagree is the altered one.
 *
 * @module
 */
import {
  EvidenceError,
  equalBytes,
  HASH_BYTES,
  TILE_WIDTH as WIDTH,
  tilePath,
  tileWidth,
  type Hash,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import { nodeHasher, rootOfEdge, subtree } from "./levels.ts";
import { levelCount, readTile } from "./tile-files.ts";

/** Full tiles kept: 2 MiB, and enough for the way up from any leaf. */
const MAX_KEPT = 256;

export class AuthenticTiles {
  readonly #place: Place;
  readonly #size: number;
  readonly #root: Uint8Array;
  readonly #hash: Hash;
  readonly #node: (left: Uint8Array, right: Uint8Array) => Uint8Array;
  readonly #kept = new Map<string, Uint8Array>();

  /** @param root - of the tree of `size` entries, from a note or receipt whose signature was checked */
  constructor(place: Place, size: number, root: Uint8Array, hash: Hash) {
    this.#place = place;
    this.#size = size;
    this.#root = root;
    this.#hash = hash;
    this.#node = nodeHasher(hash);
  }

  /**
   * The hashes of a tile of the tree.
   *
   * @throws EvidenceError `tile-mismatch` where it, or what lies above it, does not lead to the root; `tile-missing`,
   *   `tile-malformed`, `unreachable` for it or a tile above it
   */
  async tile(level: number, index: number): Promise<Uint8Array> {
    const path = tilePath(level, index, tileWidth(level, index, this.#size));
    const kept = this.#kept.get(path);
    if (kept !== undefined) return kept;
    const hashes = await readTile(this.#place, level, index, tileWidth(level, index, this.#size));
    if (!(await this.matches(level, index, hashes))) {
      throw new EvidenceError("tile-mismatch", `${path} does not lead to the root of the checkpoint`, {
        path,
      });
    }
    if (this.#kept.size >= MAX_KEPT) this.#kept.clear();
    this.#kept.set(path, hashes);
    return hashes;
  }

  /** True where `hashes`, put in the place of that tile, lead to the root. Throws as {@link tile} for the tiles above it. */
  async matches(level: number, index: number, hashes: Uint8Array): Promise<boolean> {
    if (tileWidth(level, index, this.#size) < WIDTH) return this.#edgeMatches(level, hashes);
    const above = await this.tile(level + 1, Math.floor(index / WIDTH));
    const at = (index % WIDTH) * HASH_BYTES;
    return equalBytes(subtree(hashes, 0, WIDTH, this.#node), above.subarray(at, at + HASH_BYTES));
  }

  /** The partial tiles at the right edge hold all the peaks: they are right together or not at all. */
  async #edgeMatches(level: number, hashes: Uint8Array): Promise<boolean> {
    const tiles = [];
    for (let number = 0; number < levelCount(this.#size); number++) {
      const index = Math.floor(this.#size / WIDTH ** (number + 1));
      const width = tileWidth(number, index, this.#size);
      if (width === 0) continue;
      const own = number === level ? hashes : await readTile(this.#place, number, index, width);
      tiles.unshift({ hashes: own, width });
    }
    return equalBytes(rootOfEdge(tiles, this.#hash), this.#root);
  }
}
