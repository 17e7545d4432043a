/**
 * Walks up inclusion paths (RFC 9162 section 2.1.3.2), many of them in few trees, and hashes nothing twice: two paths of one leaf share what is below
 * the edge of the smaller tree, and whatever was proven of a tree once is compared.
 *
 * @module
 */
import { copied, equalBytes, equalRange } from "../bytes.ts";
import { half, halved, halvingsToMeet, hashLeaf, isOdd, nodeHasher } from "../tree/merkle.ts";
import { HASH_BYTES, type Hash } from "../sha256.ts";
import type { GoodPath, KnownBatch, ReadReceipt } from "./receipt-reader.ts";

const STRIDE = 2 + HASH_BYTES;
/** Nodes kept of one tree: ten megabytes. */
const SLOTS = 1 << 18;
/** Words of eight bytes: a name and a hash. */
const SLOT_WORDS = 1 + HASH_BYTES / 8;
/** A batch with so many receipts is worth it. */
const MANY = 64;
const MAX_LEVELS = 64;

/** How far a walk has come: at `level` the node of that number over its leaf, of which `last` is the tree's last; so many hashes of the path are used. */
type Step = { level: number; node: number; last: number; used: number };

export class PathWalk {
  readonly #hash: Hash;
  readonly #node: (left: Uint8Array, right: Uint8Array) => Uint8Array;
  #proven: ProvenNodes | undefined;
  /** The walk before, if it was good, and by level the hashes of the subtrees over its leaf. */
  #before: { readonly receipt: ReadReceipt; readonly entry: Uint8Array } | undefined;
  readonly #own = new Uint8Array((MAX_LEVELS + 1) * HASH_BYTES);
  readonly #owns = Array.from({ length: MAX_LEVELS + 1 }, (_, level) =>
    this.#own.subarray(level * HASH_BYTES, (level + 1) * HASH_BYTES),
  );
  #levels = 0;

  constructor(hash: Hash) {
    this.#hash = hash;
    this.#node = nodeHasher(hash);
  }

  /** Whether the path leads from the entry to the batch's root. */
  leads(receipt: ReadReceipt, entry: Uint8Array): boolean {
    const { batch, index, count } = receipt;
    const { size } = batch.tree;
    if (index >= size || count !== pathLength(index, size)) return false;
    const level = this.#begin(receipt, entry);
    this.#before = undefined;
    const step = { level, node: halved(index, level), last: halved(size - 1, level), used: level };
    const proven = this.#provenOf(batch);
    const isGood = proven === undefined ? this.#climb(receipt, step) : this.#climbTo(proven, receipt, step);
    if (isGood) this.#before = { receipt, entry };
    return isGood;
  }

  /** The level at which a walk begins: over what it shares with the one before, if that was of the same leaf. */
  #begin({ batch, index, bytes, at, count }: ReadReceipt, entry: Uint8Array): number {
    const { receipt, entry: leaf } = this.#before ?? {};
    const isSame =
      receipt?.index === index && leaf !== undefined && (entry === leaf || equalBytes(entry, leaf));
    if (!isSame) {
      this.#own.set(hashLeaf(entry, this.#hash));
      return 0;
    }
    // So far both trees have the whole subtree over the leaf, and its sibling at each level below.
    const size = Math.min(batch.tree.size, receipt.batch.tree.size);
    const levels = Math.min(this.#levels, count, receipt.count, halvingsToMeet(index, size) - 1);
    return equalRange(receipt.bytes, receipt.at, bytes, at, levels * STRIDE - 2) ? levels : 0;
  }

  /** One level up. False where the path has no hash for it. */
  #up(step: Step, { bytes, at, count }: ReadReceipt): boolean {
    const { level, node, last, used } = step;
    const own = this.#owns[level] as Uint8Array;
    let above = own;
    if (isOdd(node) || node !== last) {
      if (used === count) return false;
      const sibling = bytes.subarray(at + used * STRIDE, at + used * STRIDE + HASH_BYTES);
      above = isOdd(node) ? this.#node(sibling, own) : this.#node(own, sibling);
      step.used++;
    }
    this.#own.set(above, (level + 1) * HASH_BYTES);
    step.level++;
    step.node = half(node);
    step.last = half(last);
    return true;
  }

  #isRoot({ level, used }: Step, { batch, count }: ReadReceipt): boolean {
    this.#levels = level;
    return used === count && equalBytes(this.#owns[level] as Uint8Array, batch.tree.root);
  }

  /** To the root, or to where a path of the same batch was good. */
  #climb(receipt: ReadReceipt, step: Step): boolean {
    const { batch, index, bytes, at, count } = receipt;
    const { good } = batch;
    while (step.last > 0) {
      if (good !== undefined && this.#meets(good, receipt, step)) return true;
      if (!this.#up(step, receipt)) return false;
    }
    if (!this.#isRoot(step, receipt)) return false;
    if (good === undefined && batch.uses > 1)
      batch.good = {
        index,
        path: copied(bytes, at, at + count * STRIDE - 2),
        own: this.#own.slice(0, (step.level + 1) * HASH_BYTES),
      };
    return true;
  }

  /** To the root of a tree of which many nodes are known. */
  #climbTo(proven: ProvenNodes, receipt: ReadReceipt, step: Step): boolean {
    const { level } = step;
    while (step.last > 0) {
      if (proven.ends(step, this.#own, receipt)) {
        this.#levels = step.level;
        proven.add(level, step.level, this.#own, receipt);
        return true;
      }
      if (!this.#up(step, receipt)) return false;
    }
    if (!this.#isRoot(step, receipt)) return false;
    proven.add(level, step.level, this.#own, receipt);
    return true;
  }

  /**
   * Whether the path meets one that was good, in a node that both are over or in two that are neighbours, and goes on as that does. It takes the place of that
   * one then: the next one is often its neighbour.
   */
  #meets(good: GoodPath, { index, bytes, at, count }: ReadReceipt, { level, node, used }: Step): boolean {
    const met = halved(good.index, level);
    const isNeighbour = node !== met && half(node) === half(met);
    if (node !== met && !isNeighbour) return false;
    const own = level * HASH_BYTES;
    const rest = (count - used) * STRIDE - 2;
    const from = good.path.length - rest;
    if (rest <= 0 || from < 0) return false;
    const here = at + used * STRIDE;
    const skipped = isNeighbour ? STRIDE : 0;
    const isGood = isNeighbour
      ? equalRange(good.path, from, this.#own, own, HASH_BYTES) &&
        equalRange(good.own, own, bytes, here, HASH_BYTES)
      : equalRange(good.own, own, this.#own, own, HASH_BYTES);
    if (!isGood || !equalRange(good.path, from + skipped, bytes, here + skipped, rest - skipped))
      return false;
    const length = count * STRIDE - 2;
    if (good.path.length !== length) good.path = copied(bytes, at, at + length);
    else good.path.set(bytes.subarray(at, here + (isNeighbour ? HASH_BYTES : 0)));
    good.index = index;
    this.#own.set(good.own.subarray(own + HASH_BYTES), own + HASH_BYTES);
    good.own.set(this.#own.subarray(0, own + HASH_BYTES));
    this.#levels = good.own.length / HASH_BYTES - 1;
    return true;
  }

  #provenOf(batch: KnownBatch): ProvenNodes | undefined {
    if (this.#proven === undefined && batch.uses > MANY) this.#proven = new ProvenNodes(batch);
    return this.#proven?.batch === batch ? this.#proven : undefined;
  }
}

/** Hashes of the path of a leaf: one a level below the tree's right edge, and on the edge one for each whole subtree to its left. */
function pathLength(index: number, size: number): number {
  const below = index === size - 1 ? 0 : halvingsToMeet(index, size - 1);
  let length = below;
  for (let left = halved(index, below); left > 0; left = half(left)) if (isOdd(left)) length++;
  return length;
}

/** Nodes of one tree that were hashed up to its root, in a table in which a later one may take an older one's place. */
class ProvenNodes {
  readonly batch: KnownBatch;
  /** In each slot the node's name, -1 for none, and behind it its hash: side by side, since the table is larger than what a processor has at hand. */
  readonly #names = new Float64Array(SLOTS * SLOT_WORDS).fill(-1);
  readonly #hashes = new Uint8Array(this.#names.buffer);
  /** The one whose path was good last. */
  #good: ReadReceipt | undefined;

  constructor(batch: KnownBatch) {
    this.batch = batch;
  }

  /** Whether this node is a proven one, and so are all siblings from here up: then the path is good as it is. */
  ends({ level, node, last, used }: Step, own: Uint8Array, { bytes, at, count }: ReadReceipt): boolean {
    if (!this.#has(level, node, own, level * HASH_BYTES)) return false;
    const good = this.#good;
    let met = good === undefined ? 0 : halved(good.index, level);
    let next = used;
    for (
      let k = level, n = node, edge = last;
      edge > 0;
      k++, n = half(n), met = half(met), edge = half(edge)
    ) {
      // From where two paths meet on, the one that was good last has the very same hashes.
      if (good !== undefined && n === met && endsAlike(good, bytes, at + next * STRIDE, count - next))
        return true;
      const isRight = isOdd(n);
      if (!isRight && n === edge) continue;
      if (next === count || !this.#has(k, isRight ? n - 1 : n + 1, bytes, at + next * STRIDE)) return false;
      next++;
    }
    return next === count;
  }

  /** Adds what a good walk has proven from the level where it began up to that of a node that was proven, or the root: the nodes over its leaf and their siblings. */
  add(from: number, to: number, own: Uint8Array, receipt: ReadReceipt): void {
    this.#good = receipt;
    const { bytes, at, index } = receipt;
    let next = from;
    let node = halved(index, from);
    let last = halved(this.batch.tree.size - 1, from);
    for (let level = from; level < to; level++, node = half(node), last = half(last)) {
      this.#put(level, node, own, level * HASH_BYTES);
      if (isOdd(node) || node !== last)
        this.#put(level, isOdd(node) ? node - 1 : node + 1, bytes, at + next++ * STRIDE);
    }
  }

  #has(level: number, node: number, bytes: Uint8Array, at: number): boolean {
    const slot = slotOf(level, node);
    if (this.#names[slot * SLOT_WORDS] !== nameOf(level, node)) return false;
    return equalRange(this.#hashes, slot * SLOT_WORDS * 8 + 8, bytes, at, HASH_BYTES);
  }

  #put(level: number, node: number, bytes: Uint8Array, at: number): void {
    if (node > MAX_NODE || level >= MAX_LEVELS) return;
    const slot = slotOf(level, node);
    this.#names[slot * SLOT_WORDS] = nameOf(level, node);
    this.#hashes.set(bytes.subarray(at, at + HASH_BYTES), slot * SLOT_WORDS * 8 + 8);
  }
}

/** Whether the last `left` hashes of a path are those at `from`. */
const endsAlike = (
  { bytes, at, count }: ReadReceipt,
  others: Uint8Array,
  from: number,
  left: number,
): boolean =>
  left > 0 &&
  left <= count &&
  equalRange(bytes, at + (count - left) * STRIDE, others, from, left * STRIDE - 2);

/** Beyond it a node's name would not be exact. */
const MAX_NODE = 2 ** 46;
const nameOf = (level: number, node: number): number => node * MAX_LEVELS + level;
const slotOf = (level: number, node: number): number => (node + level * 40_503) % SLOTS;
