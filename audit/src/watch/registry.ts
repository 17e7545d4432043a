/**
 * Follows a log's registry: reads the items that are new, waits until each has its place among the entries, and derives the key state from them. Nothing the
 * place says is believed: the items are chained by their hashes, signed by operators, and found in the log.
 *
 * @module
 */
import {
  asBytes,
  decodeCbor,
  EvidenceError,
  HASH_BYTES,
  KeyState,
  splitSequence,
  toHex,
  type Hash,
  type RegistryItem,
  type SignatureProvider,
  type Statement,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import { ItemFinder } from "../log/item-finder.ts";
import { parseItem } from "../log/registry-chain.ts";
import { registryCount, registryItems } from "../log/registry-files.ts";

/** An item that found its place. */
export type PlacedItem = { readonly n: number; readonly index: number; readonly item: RegistryItem };

/** What one answer may bring: items of at most 32 KiB, each with its head. */
const MAX_ITEMS_BYTES = 256 * (32_768 + 5);
const SEQUENCE = { maxBytes: MAX_ITEMS_BYTES, maxItems: 256, maxItemBytes: 32_768 + 5 } as const;
/** Bytes of items that may wait for their places; what follows is read when they have them. */
const MAX_WAITING_BYTES = 64 << 20;

type Means = { readonly provider: SignatureProvider; readonly hash: Hash };

export class RegistryFollower {
  readonly #place: Place;
  readonly keys: KeyState;
  /** Log index of each item that counts. */
  readonly indexes: number[] = [];
  readonly #hashes: Uint8Array[] = [];
  /** Published, and not found in the log yet. */
  readonly #waiting: Statement[] = [];

  constructor(place: Place, means: Means) {
    this.#place = place;
    this.keys = new KeyState(means);
  }

  /**
   * Reads again what was placed before.
   *
   * @param last - hash of the last of them
   * @throws EvidenceError `registry-mismatch` where the registry is another one now; codes of its items; `unreachable`, `http-answer`
   */
  async resume(indexes: readonly number[], last: string | null): Promise<void> {
    while (this.keys.count < indexes.length) {
      const before = this.#waiting.length;
      await this.fetch();
      if (this.#waiting.length === before) throw changed(`it had ${indexes.length} items, and has fewer now`);
      const known = indexes.slice(this.keys.count, this.keys.count + this.#waiting.length);
      for (const _ of this.place(known));
    }
    if (last !== null && toHex(this.keys.last) !== last)
      throw changed(`item ${indexes.length - 1} is another one than before`);
  }

  /** Items that are published, and not found in the log. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Hashes of the items that count, 32 bytes each. */
  get hashes(): Uint8Array {
    return joined(this.#hashes);
  }

  /** Looks for the items that wait. */
  finder(): ItemFinder {
    return new ItemFinder(joined(this.#waiting.map(({ hash }) => hash)));
  }

  /** Reads the items that are new. Errors as {@link resume}. */
  async fetch(): Promise<void> {
    const from = this.keys.count + this.#waiting.length;
    let waitingBytes = this.#waiting.reduce((sum, { bytes }) => sum + bytes.length, 0);
    if (waitingBytes >= MAX_WAITING_BYTES) return;
    for await (const { n, bytes, path } of newItems(this.#place, from)) {
      this.#waiting.push(parseItem(bytes, n, path));
      waitingBytes += bytes.length;
      if (waitingBytes >= MAX_WAITING_BYTES) return;
    }
  }

  /**
   * Applies the items that were found, in their places, each when it is asked for.
   *
   * @throws EvidenceError codes of items that don't count
   */
  *place(indexes: readonly number[]): Generator<PlacedItem, void, undefined> {
    for (const index of indexes) {
      const [statement] = this.#waiting;
      if (statement === undefined) return;
      const n = this.keys.count;
      const item = this.keys.apply(statement, index);
      this.#waiting.shift();
      this.#hashes.push(statement.hash);
      this.indexes.push(index);
      yield { n, index, item };
    }
  }
}

const changed = (what: string): EvidenceError =>
  new EvidenceError("registry-mismatch", `the registry is not the one that was followed: ${what}`);

type Published = { readonly n: number; readonly bytes: Uint8Array; readonly path: string };

/** From the anchor itself, which is asked for just these; of a static server or a folder, from the files. */
async function* newItems(place: Place, from: number): AsyncGenerator<Published> {
  if (!place.remote) return yield* registryItems(place, await registryCount(place, from), from);
  for (let n = from; ;) {
    const path = `items?from=${n}`;
    const bytes = await place.read(path, MAX_ITEMS_BYTES);
    if (bytes === undefined && n === from)
      return yield* registryItems(place, await registryCount(place, from), from);
    const { items, rest } = splitSequence(bytes ?? new Uint8Array(), SEQUENCE);
    if (rest !== undefined)
      throw new EvidenceError(rest.error.code, `${path}: ${rest.error.message}`, { path });
    if (items.length === 0) return;
    for (const item of items) {
      const decoded = decodeCbor(item, { maxBytes: SEQUENCE.maxItemBytes });
      yield { n: n++, bytes: asBytes(decoded, undefined, path), path };
    }
  }
}

function joined(hashes: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(hashes.length * HASH_BYTES);
  for (const [i, one] of hashes.entries()) whole.set(one, i * HASH_BYTES);
  return whole;
}
