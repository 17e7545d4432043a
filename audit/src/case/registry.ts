/**
 * The registry of a case: every item of the tree, replayed, and held against what the receipts sign about it.
 *
 * @module
 */
import {
  equalBytes,
  EvidenceError,
  HASH_BYTES,
  isEvidenceError,
  KeyState,
  parseTransparent,
  placeAll,
  ReceiptCheck,
  type CheckedLog,
  type Findings,
  type Hash,
  type Placed,
  type SignatureProvider,
  type SignedTree,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { FilePlace } from "../facts/write.ts";
import { numbered, readSequence, type CaseFiles } from "./folder.ts";
import { sequenceItems } from "./sequence.ts";

type Means = {
  readonly policy: TrustPolicy;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly findings: Findings;
};

/** The registry after its last item, and where each item stands. */
export type CaseRegistry = {
  readonly state: KeyState;
  readonly indexes: readonly number[];
  /** 32 bytes an item. */
  readonly hashes: Uint8Array;
  readonly places: readonly FilePlace[];
  /** Of the receipts of the items, each once. */
  readonly trees: ReadonlySet<SignedTree>;
};

/**
 * Replays the registry. Undefined where it doesn't hold: then nothing is known of any key.
 * Reports what `replayRegistry` of the evidence package does, and `key-state`, `log-ended`.
 */
export async function replayCase(
  files: CaseFiles,
  log: CheckedLog,
  means: Means,
): Promise<CaseRegistry | undefined> {
  const { hash, provider, findings } = means;
  const state = new KeyState({ provider, hash });
  const indexes: number[] = [];
  const hashes: Uint8Array[] = [];
  const places: FilePlace[] = [];
  const trees = new Set<SignedTree>();
  let newest: SignedTree | undefined;
  try {
    for await (const { at, ...placed } of placedItems(files, log, means)) {
      const item = state.apply(placed.statement, placed.index);
      if (item.kind === "policy" && (item.origin !== log.origin || !equalBytes(item.log.kid, log.key.kid)))
        throw new EvidenceError("entry-zero", "entry 0 is the registration policy of another log");
      indexes.push(placed.index);
      hashes.push(placed.statement.hash);
      places.push(at);
      trees.add(placed.original.tree).add(placed.newest.tree);
      newest ??= placed.newest.tree;
    }
    if (newest === undefined) throw new EvidenceError("registry-missing", "the case has no registry");
    agreesWith(newest, state, log);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    if (error.code === "registry-missing") findings.missing("registry", error.code, error.message);
    else findings.failed("registry", error.code, `item ${indexes.length}: ${error.message}`);
    return undefined;
  }
  if (findings.blocked("receipts")) return undefined;
  findings.passed("registry", `${indexes.length} items`);
  const all = new Uint8Array(hashes.length * HASH_BYTES);
  for (const [i, one] of hashes.entries()) all.set(one, i * HASH_BYTES);
  return { state, indexes, hashes: all, places, trees };
}

async function* placedItems(
  files: CaseFiles,
  log: CheckedLog,
  { policy, provider, hash, findings }: Means,
): AsyncGenerator<Placed & { readonly at: FilePlace }> {
  const receipts = new ReceiptCheck(policy, provider, hash, findings);
  for (const [file, sum] of numbered(files, "registry").entries()) {
    const bytes = await readSequence(files, sum, hash);
    for (const { offset, bytes: item } of sequenceItems(bytes, sum.path)) {
      const at = { file, offset, length: item.length };
      for (const placed of placeAll([parseTransparent(item, hash)], [log], receipts, findings))
        yield { ...placed, at };
    }
  }
}

/** The registry is the whole one that the log signed with this tree. */
function agreesWith({ registry, keysRoot }: SignedTree, state: KeyState, log: CheckedLog): void {
  if (state.count < registry.count)
    throw new EvidenceError(
      "registry-missing",
      `${state.count} items are here, the receipts sign ${registry.count}`,
    );
  if (state.count > registry.count || !equalBytes(state.last, registry.last))
    throw new EvidenceError("registry-mismatch", "the items are not the registry that the receipts sign");
  if (!equalBytes(state.root(), keysRoot))
    throw new EvidenceError("key-state", "the key state that follows is not the one that the receipts sign");
  const { ended } = state;
  if (ended !== undefined && ended < log.checkpoint.size - 1)
    throw new EvidenceError("log-ended", `entry ${ended} names the successor, and others come after it`);
}

/**
 * Holds trees of older receipts against the registry: each signs how many items it has, the last of them, and the key state after it.
 * Reports `registry-mismatch`, `key-state`.
 *
 * @param trees - by ascending size
 */
export async function checkTrees(
  trees: Iterable<Pick<SignedTree, "size" | "registry" | "keysRoot">>,
  registry: CaseRegistry,
  files: CaseFiles,
  log: CheckedLog,
  means: Means,
): Promise<void> {
  const { indexes, hashes } = registry;
  const wanted = new Map<number, Map<string, Uint8Array>>();
  let within = 0;
  for (const { size, registry: signed, keysRoot } of trees) {
    while ((indexes[within] ?? size) < size) within++;
    const last = hashes.subarray((within - 1) * HASH_BYTES, within * HASH_BYTES);
    if (signed.count !== within || !equalBytes(last, signed.last)) {
      const reason = `a receipt signs ${signed.count} items at size ${size}, the registry has ${within} there or another last one`;
      means.findings.failed("registry", "registry-mismatch", reason);
      return;
    }
    const roots = wanted.get(within) ?? new Map<string, Uint8Array>();
    roots.set(String(keysRoot), keysRoot);
    wanted.set(within, roots);
  }
  // The state after the last item was compared already.
  const current = registry.state.root();
  const older = [...wanted].some(
    ([count, roots]) =>
      count !== indexes.length || [...roots.values()].some((root) => !equalBytes(root, current)),
  );
  if (!older) return;
  const state = new KeyState({ provider: means.provider, hash: means.hash });
  for await (const { statement, index } of placedItems(files, log, means)) {
    state.apply(statement, index);
    const roots = wanted.get(state.count);
    if (roots === undefined) continue;
    const root = state.root();
    if ([...roots.values()].every((one) => equalBytes(one, root))) continue;
    const reason = `a receipt signs another key state than follows from the first ${state.count} items`;
    means.findings.failed("registry", "key-state", reason);
    return;
  }
}
