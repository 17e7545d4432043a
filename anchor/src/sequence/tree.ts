/**
 * The log's Merkle tree (RFC 9162 section 2.1), grown one batch at a time in memory that depends on the batch and not on the log:
 * from the right edge of the tree before, the nodes that the batch completes, the new root, and a path for each new leaf.
 *
 * Nodes are named as everywhere here: (level, index) is the root of the complete subtree of 2^level leaves number `index`.
 *
 * @module
 */
import { hash } from "node:crypto";
import { HASH_BYTES } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";

/** One hash tile as stored: tree level 8 x `level`, hashes `number` x 256 and on; the last one of a level may be partial. */
export type TileRow = { readonly level: number; readonly number: number; readonly hashes: Uint8Array };

/** Hashes in a full tile (C2SP tlog-tiles). */
const TILE_WIDTH = 256;
const TILE_HEIGHT = 8;
/** 2^0 to 2^53, so that sizes beyond 32 bits need no shifts. */
const POWER = Array.from({ length: 54 }, (_, level) => 2 ** level);

const power = (level: number): number => POWER[level] ?? Infinity;
/** Complete subtrees of 2^level leaves in a tree of `size`. */
export const complete = (size: number, level: number): number => Math.floor(size / power(level));

const nodeInput = new Uint8Array(1 + 2 * HASH_BYTES);
nodeInput[0] = 1;
const leafInput = new Uint8Array(1 + HASH_BYTES);

/** Writes SHA-256(01 || left || right) into `target` at `at`. */
function hashNodeInto(target: Uint8Array, at: number, left: Uint8Array, right: Uint8Array): void {
  nodeInput.set(left, 1);
  nodeInput.set(right, 1 + HASH_BYTES);
  digestInto(target, at, nodeInput);
}

/** Writes SHA-256(00 || entry) into `target` at `at`; the entry has 32 bytes. */
export function hashLeafInto(target: Uint8Array, at: number, entry: Uint8Array): void {
  leafInput.set(entry, 1);
  digestInto(target, at, leafInput);
}

/** By way of a text: a Buffer for each digest would take three times as long, and leave as many small pieces of memory behind. */
function digestInto(target: Uint8Array, at: number, input: Uint8Array): void {
  const digest = hash("sha256", input, "binary");
  for (let i = 0; i < HASH_BYTES; i++) target[at + i] = digest.charCodeAt(i);
}

/** SHA-256(01 || left || right). */
export function hashNode(left: Uint8Array, right: Uint8Array): Uint8Array {
  const node = new Uint8Array(HASH_BYTES);
  hashNodeInto(node, 0, left, right);
  return node;
}

/** Nodes over the hashes that are one after the other in `below`: half as many, an odd last one left out. */
export function levelAbove(below: Uint8Array): Uint8Array {
  const nodes = new Uint8Array(Math.floor(below.length / HASH_BYTES / 2) * HASH_BYTES);
  for (let at = 0; at < nodes.length; at += HASH_BYTES) {
    const middle = 2 * at + HASH_BYTES;
    hashNodeInto(nodes, at, below.subarray(2 * at, middle), below.subarray(middle, middle + HASH_BYTES));
  }
  return nodes;
}

/** Root of the tree of no leaves: SHA-256 of nothing. */
const EMPTY_ROOT = nodeSha256(new Uint8Array());

/** The right edge of a tree of `size`: all that is needed to append to it. */
export class RightEdge {
  readonly size: number;
  /** By tree level: the last complete subtree where the size has that bit, else undefined. */
  readonly subtrees: readonly (Uint8Array | undefined)[];
  /** By tile level: the hashes of the last, partial tile; may be none. */
  readonly partials: readonly Uint8Array[];

  constructor(size: number, subtrees: readonly (Uint8Array | undefined)[], partials: readonly Uint8Array[]) {
    this.size = size;
    this.subtrees = subtrees;
    this.partials = partials;
  }

  static empty(): RightEdge {
    return new RightEdge(0, [], []);
  }

  /**
   * Rebuilds the edge from the last tile of each level.
   *
   * @param readTile - the first `width` hashes of a stored tile
   */
  static restore(
    size: number,
    readTile: (level: number, number: number, width: number) => Uint8Array,
  ): RightEdge {
    const subtrees: (Uint8Array | undefined)[] = [];
    const partials: Uint8Array[] = [];
    for (let level = 0; complete(size, TILE_HEIGHT * level) > 0; level++) {
      const width = complete(size, TILE_HEIGHT * level) % TILE_WIDTH;
      const number = Math.floor(complete(size, TILE_HEIGHT * level) / TILE_WIDTH);
      const hashes = width === 0 ? new Uint8Array() : readTile(level, number, width).slice();
      partials[level] = hashes;
      for (let step = 0; step < TILE_HEIGHT; step++) {
        const count = Math.floor(width / power(step));
        if (count % 2 === 0) continue;
        const start = (count - 1) * power(step) * HASH_BYTES;
        subtrees[TILE_HEIGHT * level + step] = subtreeRoot(
          hashes.subarray(start, start + power(step) * HASH_BYTES),
        );
      }
    }
    return new RightEdge(size, subtrees, partials);
  }

  root(): Uint8Array {
    return incompleteNodes(this.size, (level) => this.subtrees[level]).at(-1) ?? EMPTY_ROOT;
  }

  /** Appends leaves, given as their hashes one after the other. This edge stays as it is. */
  grow(leaves: Uint8Array): Growth {
    return new Growth(this, leaves);
  }
}

/** Root over hashes that are one after the other; their number is a power of two. */
function subtreeRoot(hashes: Uint8Array): Uint8Array {
  let level: Uint8Array = hashes.slice();
  while (level.length > HASH_BYTES) level = levelAbove(level);
  return level;
}

/**
 * By level: the hash over the leaves right of the last complete subtree of that level, undefined where there are none. The
 * one beyond the top level is the root.
 */
function incompleteNodes(
  size: number,
  lastComplete: (level: number) => Uint8Array | undefined,
): (Uint8Array | undefined)[] {
  const nodes: (Uint8Array | undefined)[] = [undefined];
  for (let level = 0; complete(size, level) > 0; level++) {
    const right = nodes[level];
    if (complete(size, level) % 2 === 0) nodes.push(right);
    else {
      const left = lastComplete(level) as Uint8Array;
      nodes.push(right === undefined ? left : hashNode(left, right));
    }
  }
  return nodes;
}

/** What a batch adds to a tree. */
export class Growth {
  readonly from: number;
  readonly to: number;
  readonly root: Uint8Array;
  /** The edge after the batch. */
  readonly edge: RightEdge;
  /** Tiles that the batch begins, extends or fills. */
  readonly tiles: readonly TileRow[];
  /** By level: index of the first node that the batch completes, and these nodes one after the other. */
  readonly #levels: { readonly start: number; readonly hashes: Uint8Array }[] = [];
  readonly #before: RightEdge;
  readonly #incomplete: readonly (Uint8Array | undefined)[];

  constructor(before: RightEdge, leaves: Uint8Array) {
    this.from = before.size;
    this.to = before.size + leaves.length / HASH_BYTES;
    this.#before = before;
    this.#completeNodes(leaves);
    const subtrees = Array.from(this.#levels.keys(), (level) =>
      complete(this.to, level) % 2 === 1
        ? this.#node(level, complete(this.to, level) - 1).slice()
        : undefined,
    );
    this.#incomplete = incompleteNodes(this.to, (level) => subtrees[level]);
    this.root = this.#incomplete.at(-1) ?? EMPTY_ROOT;
    const { tiles, partials } = this.#tileRows();
    this.tiles = tiles;
    this.edge = new RightEdge(this.to, subtrees, partials);
  }

  /** The path of a leaf of this batch in the tree after it, from the leaf up (RFC 9162 section 2.1.3.1). */
  path(index: number): Uint8Array[] {
    if (index < this.from || index >= this.to) throw new RangeError(`leaf ${index} is not of this batch`);
    const path: Uint8Array[] = [];
    for (let level = 0, node = index; power(level) < this.to; level++, node = Math.floor(node / 2)) {
      if (node % 2 === 1) path.push(this.#node(level, node - 1));
      else if (node + 1 < complete(this.to, level)) path.push(this.#node(level, node + 1));
      else {
        const right = node + 1 === complete(this.to, level) ? this.#incomplete[level] : undefined;
        if (right !== undefined) path.push(right);
      }
    }
    return path;
  }

  #completeNodes(leaves: Uint8Array): void {
    this.#levels.push({ start: this.from, hashes: leaves });
    for (let level = 1; complete(this.to, level) > 0; level++) {
      const start = complete(this.from, level);
      const end = complete(this.to, level);
      const hashes = new Uint8Array((end - start) * HASH_BYTES);
      for (let index = start; index < end; index++) {
        const left = this.#node(level - 1, 2 * index);
        hashNodeInto(hashes, (index - start) * HASH_BYTES, left, this.#node(level - 1, 2 * index + 1));
      }
      this.#levels.push({ start, hashes });
    }
  }

  /** A node of this batch, or the last one before it: no path needs another. */
  #node(level: number, index: number): Uint8Array {
    const { start, hashes } = this.#levels[level] as { start: number; hashes: Uint8Array };
    if (index < start) return this.#before.subtrees[level] as Uint8Array;
    const at = (index - start) * HASH_BYTES;
    return hashes.subarray(at, at + HASH_BYTES);
  }

  #tileRows(): { tiles: TileRow[]; partials: Uint8Array[] } {
    const tiles: TileRow[] = [];
    const partials: Uint8Array[] = [];
    for (let level = 0; TILE_HEIGHT * level < this.#levels.length; level++) {
      const added = this.#levels[TILE_HEIGHT * level]?.hashes ?? new Uint8Array();
      const kept = this.#before.partials[level] ?? new Uint8Array();
      const all = new Uint8Array(kept.length + added.length);
      all.set(kept);
      all.set(added, kept.length);
      const tileBytes = TILE_WIDTH * HASH_BYTES;
      const first = Math.floor(complete(this.from, TILE_HEIGHT * level) / TILE_WIDTH);
      let at = 0;
      for (; added.length > 0 && at < all.length; at += tileBytes) {
        tiles.push({ level, number: first + at / tileBytes, hashes: all.subarray(at, at + tileBytes) });
      }
      partials[level] = all.slice(Math.floor(all.length / tileBytes) * tileBytes);
    }
    return { tiles, partials };
  }
}
