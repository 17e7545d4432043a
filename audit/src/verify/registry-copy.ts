/**
 * A log's registry out of its public directory, for evidence that brings none. The items are placed by looking for them among the entries;
 * neither is believed before the key state that follows was compared with the one that the receipt signs.
 *
 * @module
 */
import {
  equalBytes,
  EvidenceError,
  isEvidenceError,
  KeyState,
  parseCheckpoint,
  parseNote,
  tileWidth,
  TILE_WIDTH,
  type Hash,
  type BatchClaims,
  type RegistryCopy,
  type SignatureProvider,
  type Statement,
} from "@tallystick/evidence";
import type { Place, Progress } from "@tallystick/evidence/node";
import { ItemFinder } from "../log/item-finder.ts";
import { parseItem, readChain } from "../log/registry-chain.ts";
import { registryItems } from "../log/registry-files.ts";
import { readEntries } from "../log/tile-files.ts";

const MAX_NOTE_BYTES = 1 << 20;
/** Bundles of entries asked for at once. */
const AHEAD = 16;
/** Key states kept, by count of items: bundles of one time have the same few. */
const MAX_STATES = 8;

type Means = { readonly provider: SignatureProvider; readonly hash: Hash; readonly progress: Progress };

/**
 * Reads the registry and finds each item's place in the log.
 *
 * @throws EvidenceError `unreachable`, `http-answer` where the place gives no answer; `note-…`, `checkpoint-…` where it is no log
 */
export async function loadRegistry(place: Place, means: Means): Promise<RegistryCopy> {
  const note = await place.read("checkpoint", MAX_NOTE_BYTES);
  if (note === undefined) {
    throw new EvidenceError(
      "unreachable",
      `${place.name} has no checkpoint: give the public directory of a log`,
    );
  }
  // The note's signature does not matter here: what follows is compared with the receipt.
  const { origin, size } = parseCheckpoint(parseNote(note).text);
  const chain = await readChain(place, 0);
  const indexes = await findItems(place, size, chain.hashes, means.progress);
  const items: Statement[] = [];
  for await (const { n, bytes, path } of registryItems(place, chain.published)) {
    if (n >= indexes.length) break;
    items.push(parseItem(bytes, n, path));
  }
  return new Copy(place.name, origin, size, items, indexes, means);
}

/** Log indexes of the items, as many as are found; entries that are missing or malformed end the search. */
async function findItems(
  place: Place,
  size: number,
  hashes: Uint8Array,
  progress: Progress,
): Promise<readonly number[]> {
  const finder = new ItemFinder(hashes);
  const count = Math.ceil(size / TILE_WIDTH);
  try {
    for (let first = 0; first < count && !finder.complete; first += AHEAD) {
      const some = Array.from({ length: Math.min(AHEAD, count - first) }, (_, i) => first + i);
      const bundles = await Promise.all(
        some.map((index) => readEntries(place, index, tileWidth(0, index, size))),
      );
      for (const [i, bundle] of bundles.entries()) finder.look((first + i) * TILE_WIDTH, bundle);
      progress.update(Math.min(size, (first + AHEAD) * TILE_WIDTH), size, "entries");
    }
  } catch (error) {
    if (!isEvidenceError(error) || error.disposition !== "refuse") throw error;
  }
  return finder.indexes;
}

class Copy implements RegistryCopy {
  readonly #name: string;
  readonly #origin: string;
  readonly #size: number;
  readonly #items: readonly Statement[];
  readonly #indexes: readonly number[];
  readonly #means: Means;
  readonly #states = new Map<number, KeyState>();

  constructor(
    name: string,
    origin: string,
    size: number,
    items: readonly Statement[],
    indexes: readonly number[],
    means: Means,
  ) {
    this.#name = name;
    this.#origin = origin;
    this.#size = size;
    this.#items = items;
    this.#indexes = indexes;
    this.#means = means;
  }

  at({ origin, size, registry, keysRoot }: BatchClaims): KeyState {
    const missing = (what: string): never => {
      throw new EvidenceError("registry-missing", `${this.#name}: ${what}`);
    };
    if (origin !== this.#origin) missing("the registry of another log than the receipt's");
    const last = this.#items[registry.count - 1];
    if (last === undefined || registry.count < 1) {
      const older = size > this.#size ? ", an older copy" : "";
      missing(
        `${this.#items.length} registry items found in the log${older}; the receipt names ${registry.count}`,
      );
    }
    if (last === undefined || !equalBytes(last.hash, registry.last)) {
      throw new EvidenceError(
        "registry-mismatch",
        `${this.#name}: item ${registry.count - 1} is not the one that the receipt signs`,
      );
    }
    const state = this.#after(registry.count);
    if (equalBytes(state.root(), keysRoot)) return state;
    throw new EvidenceError(
      "key-state",
      `${this.#name}: the key state that follows from the registry is not the one that the receipt signs`,
    );
  }

  hashOf(item: number): Uint8Array | undefined {
    return this.#items[item]?.hash;
  }

  #after(count: number): KeyState {
    const known = this.#states.get(count);
    if (known !== undefined) return known;
    const { provider, hash } = this.#means;
    const state = new KeyState({ provider, hash });
    for (const [n, item] of this.#items.slice(0, count).entries()) state.apply(item, this.#indexes[n] ?? -1);
    if (this.#states.size >= MAX_STATES) this.#states.clear();
    this.#states.set(count, state);
    return state;
  }
}
