/**
 * The tree above the leaf tiles: takes 256 leaf hashes at a time, derives every hash tile above them, and tells the root of any
 * size that it passes. Memory: one tile for each level, whatever the size of the log.
 *
 * A tile of level L holds up to 256 hashes of full subtrees of 256^L leaves (https://c2sp.org/tlog-tiles). A perfect subtree
 * inside the last, partial tile of each level is a peak, and RFC 6962 section 2.1 folds the peaks from the right into the root.
 *
 * @module
 */
import { HASH_BYTES, TILE_WIDTH as WIDTH, type Hash } from "@tallystick/evidence";

/** The hashes of one tile as they stand in its file, `width` of them, starting at `hashes[0]`. */
export type Tile = { readonly hashes: Uint8Array; readonly width: number };

/**
 * What to go on with where a tile was derived: the same bytes, or the published ones where those are known to be right.
 *
 * @param unknown - positions in the tile that could not be derived because what lies below is missing
 */
export type Settle = (
  level: number,
  index: number,
  tile: Tile,
  unknown: ReadonlySet<number>,
) => Promise<Uint8Array | undefined>;

type Level = { hashes: Uint8Array; width: number; unknown: Set<number>; finished: number };

export class Levels {
  readonly #hash: Hash;
  readonly #settle: Settle;
  /** #levels[0] is unused: leaf tiles are the caller's. */
  readonly #levels: Level[] = [];
  readonly #node: (left: Uint8Array, right: Uint8Array) => Uint8Array;
  #leafTiles = 0;

  /** @param settle - asked once for each full tile above the leaves, in order */
  constructor(hash: Hash, settle: Settle) {
    this.#hash = hash;
    this.#settle = settle;
    this.#node = nodeHasher(hash);
  }

  /** Leaves so far; the partial leaf tile is not among them. */
  get size(): number {
    return this.#leafTiles * WIDTH;
  }

  /** Takes the next full leaf tile, or undefined where its hashes are not known. */
  async append(leaves: Uint8Array | undefined): Promise<void> {
    this.#leafTiles++;
    await this.#push(1, leaves === undefined ? undefined : subtree(leaves, 0, WIDTH, this.#node));
  }

  async #push(number: number, hash: Uint8Array | undefined): Promise<void> {
    const level = (this.#levels[number] ??= {
      hashes: new Uint8Array(WIDTH * HASH_BYTES),
      width: 0,
      unknown: new Set(),
      finished: 0,
    });
    if (hash === undefined) level.unknown.add(level.width);
    else level.hashes.set(hash, level.width * HASH_BYTES);
    level.width++;
    if (level.width < WIDTH) return;
    const index = level.finished++;
    const settled = await this.#settle(number, index, level, level.unknown);
    level.width = 0;
    level.unknown.clear();
    await this.#push(number + 1, settled === undefined ? undefined : subtree(settled, 0, WIDTH, this.#node));
  }

  /** The partial tiles above the leaves as they stand, lowest first; `settle` them before the last root is asked for. */
  *partial(): Generator<{ level: number; index: number; tile: Tile; unknown: ReadonlySet<number> }> {
    for (const [number, level] of this.#levels.entries()) {
      if (number === 0 || level === undefined || level.width === 0) continue;
      yield { level: number, index: level.finished, tile: level, unknown: level.unknown };
    }
  }

  /** Puts the settled hashes in place of a partial tile's derived ones. */
  replace(number: number, hashes: Uint8Array): void {
    const level = this.#levels[number];
    if (level === undefined) return;
    level.hashes.set(hashes.subarray(0, level.width * HASH_BYTES));
    level.unknown.clear();
  }

  /**
   * The root of the tree of all full leaf tiles and `last`, the partial leaf tile after them (fewer than 256 hashes, perhaps none).
   * Undefined where a hash that it needs is not known.
   */
  root(last: Tile): Uint8Array | undefined {
    const tiles: Tile[] = [];
    for (let number = this.#levels.length - 1; number > 0; number--) {
      const level = this.#levels[number];
      if (level === undefined) continue;
      if (level.unknown.size > 0) return undefined;
      tiles.push(level);
    }
    return rootOfEdge([...tiles, last], this.#hash);
  }
}

/** The root over the partial tiles at the right edge of a tree, highest level first; missing levels are left out. */
export function rootOfEdge(tiles: readonly Tile[], hash: Hash): Uint8Array {
  const node = nodeHasher(hash);
  const peaks: Uint8Array[] = [];
  for (const { hashes, width } of tiles) {
    let at = 0;
    for (let count = WIDTH >> 1; count >= 1; count >>= 1) {
      if ((width & count) === 0) continue;
      peaks.push(subtree(hashes, at, count, node)); // largest first
      at += count;
    }
  }
  let root = peaks.pop();
  for (let peak = peaks.pop(); root !== undefined && peak !== undefined; peak = peaks.pop())
    root = node(peak, root);
  return root ?? hash(new Uint8Array()); // RFC 6962 2.1: the empty tree's is the hash of nothing
}

/** Root of the perfect tree over `count` hashes (a power of two) from number `first` on. */
export function subtree(
  hashes: Uint8Array,
  first: number,
  count: number,
  node: (left: Uint8Array, right: Uint8Array) => Uint8Array,
): Uint8Array {
  const rows = hashes.slice(first * HASH_BYTES, (first + count) * HASH_BYTES);
  for (let width = count; width > 1; width >>= 1) {
    for (let i = 0; i < width; i += 2) {
      const at = i * HASH_BYTES;
      const pair = node(
        rows.subarray(at, at + HASH_BYTES),
        rows.subarray(at + HASH_BYTES, at + 2 * HASH_BYTES),
      );
      rows.set(pair, at >> 1);
    }
  }
  return rows.subarray(0, HASH_BYTES);
}

/** Node hash SHA-256(01 || left || right), with one buffer for all its inputs. */
export function nodeHasher(hash: Hash): (left: Uint8Array, right: Uint8Array) => Uint8Array {
  const input = new Uint8Array(1 + 2 * HASH_BYTES);
  input[0] = 1;
  return (left, right) => {
    input.set(left, 1);
    input.set(right, 1 + HASH_BYTES);
    return hash(input);
  };
}
