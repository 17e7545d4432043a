/**
 * The tree as stored: its hash tiles, and any complete node of it. The published tile files are copies of these rows.
 *
 * @module
 */
import type { DatabaseSync, StatementSync } from "node:sqlite";
import { HASH_BYTES } from "@tallystick/evidence";
import { levelAbove, type TileRow } from "../sequence/tree.ts";
import { storageFailed } from "./database.ts";

const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;
/** Expanded tiles kept: 16 KiB each. */
const MAX_EXPANDED = 512;

/** Nodes of one tile by step above its hashes (0 to 7), each step one after the other. */
type Expanded = readonly Uint8Array[];

/** Reads and writes of the table `tiles`. */
export class TileStore {
  readonly #put: StatementSync;
  readonly #get: StatementSync;
  /** Least recently used first. The tree only grows, so a node once here stays right; a tile may have grown since. */
  readonly #expanded = new Map<string, Expanded>();

  constructor(db: DatabaseSync) {
    this.#put = db.prepare(
      "INSERT INTO tiles(level, number, hashes) VALUES (?, ?, ?) ON CONFLICT(level, number) DO UPDATE SET hashes = excluded.hashes",
    );
    this.#get = db.prepare("SELECT hashes FROM tiles WHERE level = ? AND number = ?");
  }

  put(rows: readonly TileRow[]): void {
    for (const { level, number, hashes } of rows) this.#put.run(level, number, hashes);
  }

  /**
   * The first `width` hashes of a tile: a stored one may have grown since the tree of that width.
   *
   * @throws EvidenceError `storage-failed` where the tile is not there or too short: the database is damaged
   */
  read(level: number, number: number, width: number): Uint8Array {
    return this.#stored(level, number, width).subarray(0, width * HASH_BYTES);
  }

  /**
   * Hash of the complete subtree of 2^level leaves number `index`.
   *
   * @throws EvidenceError `storage-failed` where it is not in the stored tree
   */
  node(level: number, index: number): Uint8Array {
    const tileLevel = Math.floor(level / TILE_HEIGHT);
    const step = level % TILE_HEIGHT;
    const perTile = TILE_WIDTH / 2 ** step;
    const number = Math.floor(index / perTile);
    const at = (index % perTile) * HASH_BYTES;
    const nodes = this.#expandedTile(tileLevel, number, step, at + HASH_BYTES)[step] as Uint8Array;
    return nodes.subarray(at, at + HASH_BYTES);
  }

  #stored(level: number, number: number, width: number): Uint8Array {
    const hashes = this.#get.get(level, number)?.["hashes"];
    if (!(hashes instanceof Uint8Array) || hashes.length < width * HASH_BYTES) {
      throw storageFailed(`tile ${level}/${number} is not stored as far as ${width}`);
    }
    return hashes;
  }

  #expandedTile(level: number, number: number, step: number, needed: number): Expanded {
    const name = `${level}/${number}`;
    let tile = this.#expanded.get(name);
    if (tile !== undefined) this.#expanded.delete(name);
    if (tile === undefined || (tile[step] as Uint8Array).length < needed) {
      tile = expand(this.#stored(level, number, (needed / HASH_BYTES) * 2 ** step));
    }
    this.#expanded.set(name, tile);
    if (this.#expanded.size > MAX_EXPANDED) {
      for (const oldest of this.#expanded.keys()) {
        this.#expanded.delete(oldest);
        break;
      }
    }
    return tile;
  }
}

/** All complete nodes within a tile. */
function expand(hashes: Uint8Array): Expanded {
  const steps: Uint8Array[] = [hashes];
  for (let step = 1; step < TILE_HEIGHT; step++) steps.push(levelAbove(steps[step - 1] as Uint8Array));
  return steps;
}
