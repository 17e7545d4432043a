/**
 * Derives what is new in a log: its entries, and the registry items among them. A part at a time, so that no log keeps a watch busy for ever.
 *
 * @module
 */
import {
  equalBytes,
  EvidenceError,
  toHex,
  type Hash,
  type Receipt,
  type RegistryItem,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import type { AuthenticTiles } from "../log/authentic.ts";
import type { OpenLog } from "../log/note.ts";
import { deriveEntries } from "./entries.ts";
import type { PlacedItem, RegistryFollower } from "./registry.ts";
import type { WatchState } from "./state.ts";

export type Follow = {
  readonly place: Place;
  readonly log: OpenLog;
  readonly tiles: AuthenticTiles;
  readonly registry: RegistryFollower;
  readonly hash: Hash;
  /** What is derived is noted down in it. */
  readonly state: Pick<WatchState, "derived" | "items">;
  /** True where the rest has to wait for the next look. */
  readonly isLate: () => boolean;
  readonly onItem: (placed: PlacedItem) => void;
};

/** Entries after which it is noted down how far it came. */
const STEP = 16_384;

/** @throws EvidenceError what is wrong with entries, tiles or registry; `unreachable`, `http-answer` */
export async function follow(given: Follow): Promise<void> {
  const { place, log, tiles, registry, hash, state } = given;
  await registry.resume(state.items.indexes, state.items.last);
  if (log.size === state.derived) return;
  await registry.fetch();
  const finder = registry.finder();
  const onEntries = (first: number, bundle: Uint8Array): void => finder.look(first, bundle);
  const derivation = { place, tiles, size: log.size, hash, onEntries };
  try {
    for (let known = 0; state.derived < log.size && !given.isLate(); known = finder.indexes.length) {
      const to = Math.min(log.size, state.derived + STEP);
      const derived = await deriveEntries(derivation, state.derived, to);
      for (const placed of registry.place(finder.indexes.slice(known))) {
        if (placed.item.kind === "policy") mustBeOf(log, placed.item);
        given.onItem(placed);
      }
      state.derived = derived;
    }
  } finally {
    const last = registry.keys.count === 0 ? null : toHex(registry.keys.last);
    state.items = { indexes: [...registry.indexes], last };
  }
}

function mustBeOf({ origin, key }: OpenLog, item: Extract<RegistryItem, { kind: "policy" }>): void {
  if (item.origin === origin && equalBytes(item.log.kid, key.kid)) return;
  throw new EvidenceError("entry-zero", "entry 0 is the policy of another log");
}

/**
 * Compares the registry with what the log signs of it.
 *
 * @param receipt - of this very tree, all of which was derived
 * @throws EvidenceError `registry-mismatch`, `key-state`, `log-ended`
 */
export function checkRegistry({ keys }: RegistryFollower, log: OpenLog, receipt: Receipt | undefined): void {
  if (keys.ended !== undefined && keys.ended < log.size - 1)
    throw new EvidenceError(
      "log-ended",
      `entry ${keys.ended} names the log's successor, and others come after it`,
    );
  if (receipt === undefined) return;
  const { registry, keysRoot } = receipt;
  if (registry.count !== keys.count || !equalBytes(registry.last, keys.last)) {
    throw new EvidenceError(
      "registry-mismatch",
      `the log signs ${registry.count} registry items at size ${log.size}; published and found among its entries are ${keys.count}, or the last is another one`,
    );
  }
  if (!equalBytes(keysRoot, keys.root()))
    throw new EvidenceError("key-state", "the log signs another key state than follows from its registry");
}
