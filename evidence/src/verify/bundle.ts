/**
 * The argument for a bundle, step by step: logs and witnesses, receipts, registry and keys, signatures, chains, completeness, what was
 * seen, contents.
 *
 * @module
 */
import { toHex } from "../bytes.ts";
import type { Bundle } from "../ledger/bundle.ts";
import { EvidenceError } from "../errors.ts";
import type { TrustPolicy } from "./policy.ts";
import type { SignatureProvider } from "../keys/signature.ts";
import type { Hash } from "../sha256.ts";
import { parseTransparent } from "../statement/transparent.ts";
import { checkChains, checkCompleteness, examine } from "./chains.ts";
import type { Findings } from "./findings.ts";
import { checkLeaves, checkSignatures, replayRegistry, type UsedKey } from "./keys.ts";
import { placeAll, type Placed } from "./placed.ts";
import { ReceiptCheck } from "./receipts.ts";
import { checkSeen } from "./seen.ts";
import { checkTimes } from "./times.ts";
import { checkLogs, checkOperators, checkWitnesses, type CheckedLog } from "./trust.ts";

export type Means = {
  readonly policy: TrustPolicy;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
};

/** Judges a bundle that was decoded. @throws EvidenceError where a statement or item in it is malformed: nothing else is looked at then */
export function judgeBundle(bundle: Bundle, means: Means, findings: Findings): void {
  const { policy, provider, hash } = means;
  const statements = bundle.statements.map((bytes) => parseTransparent(bytes, hash));
  const items = bundle.registry.map((bytes) => parseTransparent(bytes, hash));
  // Whether an item counts, the replay of the registry says: among the statements it would pass for one that does.
  if (statements.some(({ statement }) => statement.content.type === "registry"))
    throw new EvidenceError("bundle-malformed", "a registry item among the statements");
  findings.passed("format");

  const logs = checkLogs(bundle.logs, policy, provider, findings);
  if (findings.blocked("log"))
    return skip(findings, "receipts", "registry", "keys", "signatures", "chains", "completeness", "seen");
  const known = logs.filter((log) => log !== undefined);
  checkWitnesses(known, policy, provider, findings);

  const receipts = new ReceiptCheck(policy, provider, hash, findings);
  const placed = inOrder(placeAll(statements, logs, receipts, findings), known);
  const placedItems = placeAll(items, logs, receipts, findings);
  if (findings.blocked("receipts"))
    return skip(findings, "registry", "keys", "signatures", "chains", "completeness", "seen");
  for (const { origin } of known) checkTimes(origin, receipts.timesOf(origin), findings);

  const used = known.flatMap((log) => {
    const mine = (one: Placed): boolean => one.log === log;
    return judgeKeys(
      bundle,
      placed.filter(mine),
      placedItems.filter(mine),
      log,
      logs.indexOf(log),
      receipts,
      means,
      findings,
    );
  });
  if (findings.blocked("registry")) skip(findings, "operators", "keys", "signatures");
  else checkOperators(used, policy, findings);

  const examined = examine(placed);
  checkChains(examined, used, findings);
  checkCompleteness(bundle.scope, examined, findings);
  const histories = known.map((log) => ({
    log,
    proofs: bundle.consistency.filter((one) => logs[one.log] === log),
  }));
  for (const history of histories)
    checkSeen(
      placed.filter((one) => one.log === history.log),
      history,
      histories.filter((one) => one !== history),
      receipts,
      hash,
      findings,
    );
  checkContent(bundle, placed, hash, findings);
  if (bundle.timestamps !== undefined)
    findings.notDone("timestamps", "timestamps are carried, and not checked by profile 1");
  if (bundle.disclosures !== undefined)
    findings.notDone("disclosures", "disclosures are carried, and not checked by profile 1");
}

/** In the order of the log; of several logs, in the order in which the bundle has them. */
function inOrder(placed: readonly Placed[], logs: readonly CheckedLog[]): Placed[] {
  const places = new Map(logs.map((log, i) => [log, i]));
  const placeOf = ({ log }: Placed): number => places.get(log) ?? 0;
  return placed.toSorted((a, b) => placeOf(a) - placeOf(b) || a.index - b.index);
}

function judgeKeys(
  bundle: Bundle,
  statements: readonly Placed[],
  items: readonly Placed[],
  log: CheckedLog,
  logIndex: number,
  receipts: ReceiptCheck,
  { provider, hash }: Means,
  findings: Findings,
): UsedKey[] {
  const state = replayRegistry(items, receipts.treesOf(log.origin), log, provider, hash, findings);
  const [anyone] = [...statements, ...items];
  if (state === undefined || anyone === undefined) return [];
  const mine = bundle.keys.filter((key) => key.log === logIndex);
  const leaves = checkLeaves(mine, anyone.newest.tree.keysRoot, hash, findings);
  return checkSignatures(statements, state, leaves, provider, findings);
}

/** `content` holds contents of hash envelopes: each must be what some statement here signs. Reports `content-mismatch`. */
function checkContent({ content }: Bundle, placed: readonly Placed[], hash: Hash, findings: Findings): void {
  if (content === undefined) return;
  const digests = new Set(
    placed.flatMap(({ statement }) =>
      statement.content.type === "envelope" ? [toHex(statement.content.digest)] : [],
    ),
  );
  for (const bytes of content) {
    const digest = toHex(hash(bytes));
    if (digests.has(digest)) findings.passed("content");
    else
      findings.failed(
        "content",
        "content-mismatch",
        `no statement of the bundle signs the content ${digest}`,
      );
  }
}

function skip(findings: Findings, ...names: readonly Parameters<Findings["notDone"]>[0][]): void {
  for (const name of names) findings.notDone(name, "a check that it builds on did not pass");
}
