/**
 * The key state of the log: derived from the stored registry items at start-up, and again for an earlier size when somebody asks.
 *
 * @module
 */
import { equalBytes, KeyState, parseStatement, type SignatureProvider } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Archive } from "../storage/archive.ts";
import type { BatchRow } from "../storage/batches.ts";
import { storageFailed } from "../storage/database.ts";

/**
 * Derives the key state of a stored batch. The items' signatures were checked before they were stored and are not checked again; later items
 * that are applied to the result are.
 *
 * @throws EvidenceError `storage-failed` where the items do not lead to the key state that the batch states
 */
export function keyStateAt(
  archive: Archive,
  batch: Pick<BatchRow, "registry" | "keysRoot">,
  provider: SignatureProvider,
): KeyState {
  let stored = true;
  const keys = new KeyState({
    hash: nodeSha256,
    provider: {
      name: provider.name,
      verify: (key, message, signature) => stored || provider.verify(key, message, signature),
    },
  });
  for (const { bytes, index } of archive.items(0, batch.registry.count)) {
    keys.apply(parseStatement(bytes, nodeSha256), index);
  }
  stored = false;
  const { count, last } = batch.registry;
  if (keys.count !== count || !equalBytes(keys.last, last) || !equalBytes(keys.root(), batch.keysRoot)) {
    throw storageFailed(
      "the stored registry does not lead to the stored key state: restore the database from a backup",
    );
  }
  return keys;
}

/** Key states of earlier sizes that are kept. */
const MAX_EARLIER = 4;

/** Key states by number of items: the present one, and a few that were asked for. */
export class KeyStates {
  readonly #present: KeyState;
  readonly #archive: Archive;
  readonly #provider: SignatureProvider;
  readonly #earlier = new Map<number, KeyState>();

  constructor(present: KeyState, archive: Archive, provider: SignatureProvider) {
    this.#present = present;
    this.#archive = archive;
    this.#provider = provider;
  }

  /** @throws EvidenceError `storage-failed` */
  at(batch: BatchRow): KeyState {
    const { count } = batch.registry;
    if (count === this.#present.count) return this.#present;
    const known = this.#earlier.get(count);
    const derived = known ?? keyStateAt(this.#archive, batch, this.#provider);
    this.#earlier.delete(count); // the one asked for last is let go last
    this.#earlier.set(count, derived);
    if (this.#earlier.size > MAX_EARLIER) {
      for (const oldest of this.#earlier.keys()) {
        this.#earlier.delete(oldest);
        break;
      }
    }
    return derived;
  }
}
