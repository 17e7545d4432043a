/**
 * Walks up inclusion paths (RFC 9162 section 2.1.3.2), many of them in few trees, and hashes nothing twice: two paths of one leaf share what is below
 * the edge of the smaller tree, and in the tree that most paths are of, whatever was proven once is compared.
 *
 * @module
 */
import { concatBytes, equalBytes } from "../bytes.ts";
import { hashLeaf, nodeHasher } from "../merkle.ts";
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

export class PathWalk {
  readonly #hash: Hash;
  readonly #node: (left: Uint8Array, right: Uint8Array) => Uint8Array;
  #proven: ProvenNodes | undefined;
  /** The walk before: its leaf, and by level the hash of the subtree over it, and the sibling. */
  #leaf: Uint8Array = new Uint8Array();
  #index = -1;
  readonly #own: Uint8Array[] = [];
  readonly #siblings: (Uint8Array | undefined)[] = [];
  #levels = 0;

  constructor(hash: Hash) {
    this.#hash = hash;
    this.#node = nodeHasher(hash);
  }

  /** Whether the path leads from the entry to the batch's root. */
  leads({ batch, index, bytes, at, count }: ReadReceipt, entry: Uint8Array): boolean {
    const { size } = batch.claims;
    if (index >= size) return false;
    const proven = this.#provenOf(batch);
    const { good } = batch;
    const again = index === this.#index && equalBytes(entry, this.#leaf);
    let own = again ? (this.#own[0] as Uint8Array) : hashLeaf(entry, this.#hash);
    let isSame = again;
    const before = this.#levels;
    this.#leaf = entry;
    this.#index = index;
    this.#levels = 0;
    let used = 0;
    let level = 0;
    let node = index;
    for (let last = size - 1; last > 0; last = Math.floor(last / 2), level++) {
      if (
        proven === undefined &&
        good !== undefined &&
        meets(good, level, node, own, bytes, at + used * STRIDE, count - used)
      ) {
        this.#follow(good, index, bytes, at, count, level, used);
        return true;
      }
      if (proven?.ends(level, node, last, own, bytes, at + used * STRIDE, count - used) === true) {
        this.#keep(level, own, undefined);
        proven.add(this.#own, this.#siblings, level, index);
        proven.good(index, bytes, at, count);
        return true;
      }
      const isRight = node % 2 === 1;
      const alone = !isRight && node === last;
      if (!alone && used === count) return false;
      const sibling = alone ? undefined : bytes.subarray(at + used * STRIDE, at + used * STRIDE + HASH_BYTES);
      if (!alone) used++;
      const known = this.#siblings[level];
      isSame =
        isSame &&
        level + 1 < before &&
        (sibling === undefined ? known === undefined : known !== undefined && equalBytes(known, sibling));
      const above = isSame
        ? (this.#own[level + 1] as Uint8Array)
        : sibling === undefined
          ? own
          : isRight
            ? this.#node(sibling, own)
            : this.#node(own, sibling);
      this.#keep(level, own, sibling);
      own = above;
      node = Math.floor(node / 2);
    }
    this.#keep(level, own, undefined);
    if (used !== count || !equalBytes(own, batch.root)) return false;
    proven?.add(this.#own, this.#siblings, level, index);
    proven?.good(index, bytes, at, count);
    if (proven === undefined && good === undefined && batch.uses > 1)
      batch.good = {
        index,
        path: bytes.slice(at, at + count * STRIDE - 2),
        own: concatBytes(...this.#own.slice(0, level + 1)),
      };
    return true;
  }

  /** The path takes the place of the good one that it met at `level`, behind `used` hashes of its own: the next one is often its neighbour. */
  #follow(
    good: GoodPath,
    index: number,
    bytes: Uint8Array,
    at: number,
    count: number,
    level: number,
    used: number,
  ): void {
    const length = count * STRIDE - 2;
    if (good.path.length !== length) good.path = bytes.slice(at, at + length);
    else for (let i = 0; i < used * STRIDE; i++) good.path[i] = bytes[at + i] as number;
    for (let i = 0; i < level; i++) good.own.set(this.#own[i] as Uint8Array, i * HASH_BYTES);
    good.index = index;
  }

  #keep(level: number, own: Uint8Array, sibling: Uint8Array | undefined): void {
    this.#own[level] = own;
    this.#siblings[level] = sibling;
    this.#levels = level + 1;
  }

  #provenOf(batch: KnownBatch): ProvenNodes | undefined {
    if (this.#proven === undefined && batch.uses > MANY) this.#proven = new ProvenNodes(batch);
    return this.#proven?.batch === batch ? this.#proven : undefined;
  }
}

/** Whether a path meets one that was good here, and goes on as that does. */
function meets(
  { index, path, own: proven }: GoodPath,
  level: number,
  node: number,
  own: Uint8Array,
  bytes: Uint8Array,
  at: number,
  left: number,
): boolean {
  if (node !== Math.floor(index / 2 ** level)) return false;
  for (let i = 0, from = level * HASH_BYTES; i < HASH_BYTES; i++)
    if (proven[from + i] !== own[i]) return false;
  const length = left * STRIDE - 2;
  const from = path.length - length;
  if (left === 0 || from < 0) return false;
  for (let i = 0; i < length; i++) if (path[from + i] !== bytes[at + i]) return false;
  return true;
}

/** Nodes of one tree that were hashed up to its root, in a table in which a later one may take an older one's place. */
class ProvenNodes {
  readonly batch: KnownBatch;
  /** In each slot the node's name, -1 for none, and behind it its hash: side by side, since the table is larger than what a processor has at hand. */
  readonly #names = new Float64Array(SLOTS * SLOT_WORDS).fill(-1);
  readonly #hashes = new Uint8Array(this.#names.buffer);
  /** The path that was good last, as it stands in its receipt. */
  readonly #goodPath = new Uint8Array(MAX_LEVELS * STRIDE);
  #goodIndex = -1;
  #goodCount = 0;

  constructor(batch: KnownBatch) {
    this.batch = batch;
  }

  /** Whether this node is a proven one, and so are all siblings from here up: then the path is good as it is. */
  ends(
    level: number,
    node: number,
    last: number,
    own: Uint8Array,
    bytes: Uint8Array,
    at: number,
    left: number,
  ): boolean {
    if (!this.#has(level, node, own, 0)) return false;
    let used = 0;
    let met = Math.floor(this.#goodIndex / 2 ** level);
    for (
      let k = level, n = node, edge = last;
      edge > 0;
      k++, n = Math.floor(n / 2), met = Math.floor(met / 2), edge = Math.floor(edge / 2)
    ) {
      // From where two paths meet on, the one that was good last has the very same hashes.
      if (n === met && this.#endsAsLast(bytes, at + used * STRIDE, left - used)) return true;
      const isRight = n % 2 === 1;
      if (!isRight && n === edge) continue;
      if (used === left || !this.#has(k, isRight ? n - 1 : n + 1, bytes, at + used * STRIDE)) return false;
      used++;
    }
    return used === left;
  }

  /** Remembers the path that was good last. */
  good(index: number, bytes: Uint8Array, at: number, count: number): void {
    this.#goodIndex = index;
    this.#goodCount = count;
    this.#goodPath.set(bytes.subarray(at, at + count * STRIDE - 2));
  }

  #endsAsLast(bytes: Uint8Array, at: number, count: number): boolean {
    const from = (this.#goodCount - count) * STRIDE;
    if (count === 0 || from < 0) return false;
    const good = this.#goodPath;
    for (let i = 0, length = count * STRIDE - 2; i < length; i++)
      if (good[from + i] !== bytes[at + i]) return false;
    return true;
  }

  /** Adds what a walk has proven: the nodes over its leaf up to `levels`, and their siblings below. */
  add(
    own: readonly Uint8Array[],
    siblings: readonly (Uint8Array | undefined)[],
    levels: number,
    index: number,
  ): void {
    let node = index;
    for (let level = 0; level <= levels && level < MAX_LEVELS; level++, node = Math.floor(node / 2)) {
      this.#put(level, node, own[level]);
      if (level < levels) this.#put(level, node % 2 === 1 ? node - 1 : node + 1, siblings[level]);
    }
  }

  #has(level: number, node: number, bytes: Uint8Array, at: number): boolean {
    const slot = slotOf(level, node);
    if (this.#names[slot * SLOT_WORDS] !== nameOf(level, node)) return false;
    const hashes = this.#hashes;
    for (let i = 0, from = slot * SLOT_WORDS * 8 + 8; i < HASH_BYTES; i++)
      if (hashes[from + i] !== bytes[at + i]) return false;
    return true;
  }

  #put(level: number, node: number, hash: Uint8Array | undefined): void {
    if (hash === undefined || node > MAX_NODE) return;
    const slot = slotOf(level, node);
    this.#names[slot * SLOT_WORDS] = nameOf(level, node);
    this.#hashes.set(hash, slot * SLOT_WORDS * 8 + 8);
  }
}

/** Beyond it a node's name would not be exact. */
const MAX_NODE = 2 ** 46;
const nameOf = (level: number, node: number): number => node * MAX_LEVELS + level;
const slotOf = (level: number, node: number): number => (node + level * 40_503) % SLOTS;
