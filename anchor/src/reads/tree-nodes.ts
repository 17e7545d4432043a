/**
 * Nodes of the tree for whoever walks along a chain: its statements are far apart in the log, each in another tile, and the next chain goes through the same tiles again. So of each
 * full tile of leaves the upper half of its nodes is kept, a kilobyte instead of sixteen, and the rest is put together from the leaves when it is needed.
 *
 * @module
 */
import { HASH_BYTES } from "@tallystick/evidence";
import type { TileStore } from "../storage/tiles.ts";
import { levelAbove } from "../sequence/tree.ts";

const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;
/** The lowest level that is kept: nodes over 16 leaves. */
const KEPT_LEVEL = 4;
/** Tiles kept: 32 MiB, of 8 million entries. */
const MAX_TILES = 32_768;
/** No divisor of the number above: by this step every place has its turn. */
const STRIDE = 7919;

/** Nodes of one tile from {@link KEPT_LEVEL} on, each level one after the other. */
type Upper = readonly Uint8Array[];

export class TreeNodes {
  readonly #tiles: Pick<TileStore, "node" | "read">;
  readonly #upper = new Map<number, Upper>();
  /** Numbers of the tiles that are kept, and which place is given up next. A chain that goes through more tiles than are kept would never meet one of them if the oldest went first. */
  readonly #numbers: number[] = [];
  #next = 0;
  /** The leaves that were read last, and nodes over a few of them. */
  #leaves: { readonly number: number; readonly hashes: Uint8Array; readonly lower: Map<number, Uint8Array> };

  constructor(tiles: Pick<TileStore, "node" | "read">) {
    this.#tiles = tiles;
    this.#leaves = { number: -1, hashes: new Uint8Array(), lower: new Map() };
  }

  /**
   * Hash of the complete subtree of 2^level leaves number `index`.
   *
   * @param size - of a tree that has it
   * @throws EvidenceError `storage-failed` where it is not in the stored tree
   */
  node(level: number, index: number, size: number): Uint8Array {
    const number = Math.floor(index / 2 ** (TILE_HEIGHT - level));
    const isFull = (number + 1) * TILE_WIDTH <= size;
    if (level >= TILE_HEIGHT || !isFull) return this.#tiles.node(level, index);
    if (level >= KEPT_LEVEL) {
      const nodes = this.#upperOf(number)[level - KEPT_LEVEL] as Uint8Array;
      return at(nodes, index % 2 ** (TILE_HEIGHT - level));
    }
    const { hashes, lower } = this.#leavesOf(number);
    const within = index % 2 ** (TILE_HEIGHT - level);
    if (level === 0) return at(hashes, within);
    const name = level * TILE_WIDTH + within;
    const known = lower.get(name);
    if (known !== undefined) return known;
    const width = 2 ** level * HASH_BYTES;
    let nodes = hashes.subarray(within * width, (within + 1) * width);
    while (nodes.length > HASH_BYTES) nodes = levelAbove(nodes);
    lower.set(name, nodes);
    return nodes;
  }

  #leavesOf(number: number) {
    if (this.#leaves.number !== number)
      this.#leaves = { number, hashes: this.#tiles.read(0, number, TILE_WIDTH), lower: new Map() };
    return this.#leaves;
  }

  #upperOf(number: number): Upper {
    const known = this.#upper.get(number);
    if (known !== undefined) return known;
    let nodes: Uint8Array = this.#leavesOf(number).hashes;
    const upper: Uint8Array[] = [];
    for (let level = 1; level < TILE_HEIGHT; level++) {
      nodes = levelAbove(nodes);
      if (level >= KEPT_LEVEL) upper.push(nodes);
    }
    this.#keep(number, upper);
    return upper;
  }

  #keep(number: number, upper: Upper): void {
    this.#upper.set(number, upper);
    if (this.#numbers.length < MAX_TILES) {
      this.#numbers.push(number);
      return;
    }
    this.#upper.delete(this.#numbers[this.#next] ?? -1);
    this.#numbers[this.#next] = number;
    this.#next = (this.#next + STRIDE) % MAX_TILES;
  }
}

const at = (nodes: Uint8Array, index: number): Uint8Array =>
  nodes.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);
