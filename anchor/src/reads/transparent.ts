/**
 * Many statements with their receipts: one signature a tree, and each tree's ragged right side put together once, so that a statement costs its own paths and nothing more.
 *
 * @module
 */
import { encodeReceipt, encodeTransparent, type SignedBatch } from "@tallystick/evidence";
import type { Store } from "../sequence/sequence.ts";
import { signedBatch, type LogIdentity } from "../publish/sign.ts";
import type { Held } from "../storage/archive.ts";
import type { BatchRow } from "../storage/batches.ts";
import { complete, hashNode } from "../sequence/tree.ts";
import { TreeNodes } from "./tree-nodes.ts";

/** Trees kept: about a kilobyte each. */
const MAX_TREES = 1024;

/** A tree, ready to make receipts of. */
type Tree = {
  readonly size: number;
  readonly signed: SignedBatch;
  /** By level, as far as it was needed: the hash over the leaves right of the last complete subtree, undefined where there are none. */
  readonly ragged: (Uint8Array | undefined)[];
};

export class Transparents {
  readonly #store: Pick<Store, "batches" | "tiles">;
  readonly #nodes: TreeNodes;
  readonly #log: LogIdentity;
  /** By size, least recently used first. */
  readonly #trees = new Map<number, Tree>();
  /** The batch that brought the last statement, and the lowest index that is known to be its. */
  #last: { readonly from: number; readonly tree: Tree } | undefined;

  constructor(store: Pick<Store, "batches" | "tiles">, log: LogIdentity) {
    this.#store = store;
    this.#nodes = new TreeNodes(store.tiles);
    this.#log = log;
  }

  /**
   * The transparent statement, with its original receipt and one at `at`; undefined where it has none of these.
   *
   * @param at - a published tree
   */
  async make({ index, bytes }: Held, at: BatchRow): Promise<Uint8Array | undefined> {
    const original = bytes === null ? undefined : await this.#original(index);
    if (bytes === null || original === undefined || original.size > at.size) return undefined;
    const later = await this.#tree(at);
    return encodeTransparent(bytes, [this.#receipt(index, original), this.#receipt(index, later)]);
  }

  async #original(index: number): Promise<Tree | undefined> {
    const known = this.#last;
    if (known !== undefined && index >= known.from && index < known.tree.size) return known.tree;
    const first = this.#store.batches.holding(index);
    // Entry 0 came in a tree of size 1, for which there is no receipt.
    const row = first?.size === 1 ? this.#store.batches.holding(1) : first;
    if (row === undefined) return undefined;
    const tree = await this.#tree(row);
    this.#last = { from: index, tree };
    return tree;
  }

  async #tree(row: BatchRow): Promise<Tree> {
    const { size } = row;
    const known = this.#trees.get(size);
    if (known !== undefined) {
      this.#trees.delete(size);
      this.#trees.set(size, known);
      return known;
    }
    const tree: Tree = { size, signed: await signedBatch(this.#log, row), ragged: [undefined] };
    this.#trees.set(size, tree);
    if (this.#trees.size > MAX_TREES) {
      for (const oldest of this.#trees.keys()) {
        this.#trees.delete(oldest);
        break;
      }
    }
    return tree;
  }

  #receipt(index: number, tree: Tree): Uint8Array {
    return encodeReceipt(tree.signed, [{ index, path: this.#path(index, tree) }]);
  }

  /** From the leaf up (RFC 9162 section 2.1.3.1). */
  #path(index: number, tree: Tree): Uint8Array[] {
    const { size } = tree;
    const path: Uint8Array[] = [];
    for (let level = 0, node = index; 2 ** level < size; level++, node = Math.floor(node / 2)) {
      const whole = complete(size, level);
      if (node % 2 === 1) path.push(this.#nodes.node(level, node - 1, size));
      else if (node + 1 < whole) path.push(this.#nodes.node(level, node + 1, size));
      else {
        const right = node + 1 === whole ? this.#ragged(tree, level) : undefined;
        if (right !== undefined) path.push(right);
      }
    }
    return path;
  }

  /** As `incompleteNodes` of tree.ts, up to the level that is asked for: mostly a low one, or none. */
  #ragged({ size, ragged }: Tree, level: number): Uint8Array | undefined {
    for (let below = ragged.length - 1; below < level; below++) {
      const right = ragged[below];
      const whole = complete(size, below);
      const left = whole % 2 === 0 ? undefined : this.#nodes.node(below, whole - 1, size);
      ragged.push(left !== undefined && right !== undefined ? hashNode(left, right) : (left ?? right));
    }
    return ragged[level];
  }
}
