/**
 * Replays the registry in the places that its items have in the log: who may sign, what follows for every key.
 *
 * @module
 */
import {
  equalBytes,
  isEvidenceError,
  KeyState,
  type EvidenceCode,
  type Hash,
  type SignatureProvider,
} from "@tallystick/evidence";
import type { Place, Progress } from "@tallystick/evidence/node";
import type { LogIdentity } from "./facts.ts";
import { parseItem } from "./registry-chain.ts";
import { registryItems } from "./registry-files.ts";

export type Replay = {
  /** After the last item that counts. */
  readonly state: KeyState;
  /** By count of items, for the counts wanted. */
  readonly roots: ReadonlyMap<number, Uint8Array>;
  readonly fault?: { readonly code: EvidenceCode; readonly reason: string };
};

/**
 * @param published - items that the registry's files hold
 * @param indexes - log index of each item that was found in the log, by number: so many are replayed
 * @param wanted - counts after which the root of the key state is wanted
 * @throws EvidenceError `unreachable`, `http-answer` where nothing can be said
 */
export async function replayRegistry(
  place: Place,
  published: number,
  indexes: readonly number[],
  wanted: ReadonlySet<number>,
  log: Pick<LogIdentity, "origin" | "key" | "size">,
  { provider, hash, progress }: { provider: SignatureProvider; hash: Hash; progress: Progress },
): Promise<Replay> {
  const state = new KeyState({ provider, hash });
  const roots = new Map<number, Uint8Array>();
  try {
    for await (const { n, bytes, path } of registryItems(place, published)) {
      if (n >= indexes.length) break;
      const item = state.apply(parseItem(bytes, n, path), indexes[n] ?? -1);
      if (item.kind === "policy" && (item.origin !== log.origin || !equalBytes(item.log.kid, log.key.kid))) {
        return {
          state,
          roots,
          fault: { code: "entry-zero", reason: "entry 0 is the policy of another log" },
        };
      }
      if (wanted.has(state.count)) roots.set(state.count, state.root());
      progress.update(n + 1, indexes.length, "registry items");
    }
  } catch (error) {
    if (!isEvidenceError(error) || error.disposition !== "refuse") throw error;
    return { state, roots, fault: { code: error.code, reason: `item ${state.count}: ${error.message}` } };
  }
  const { ended } = state;
  if (ended !== undefined && ended < log.size - 1) {
    const reason = `entry ${ended} names the log's successor, and ${log.size - 1 - ended} entries come after it`;
    return { state, roots, fault: { code: "log-ended", reason } };
  }
  return { state, roots };
}
