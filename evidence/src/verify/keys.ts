/**
 * Whose keys counted: the registry items of a bundle are replayed, the key states are led to the root that the receipts sign, and both
 * must say the same.
 *
 * @module
 */
import { equalBytes, toHex } from "../bytes.ts";
import type { BundledKey } from "../ledger/bundle.ts";
import { EvidenceError, isEvidenceError } from "../errors.ts";
import { decodeLeaf, encodeLeaf, judgeUse, type KeyLeaf } from "../key-state/key-leaf.ts";
import type { KeyRecord } from "../key-state/key-record.ts";
import { KeyState } from "../key-state/key-state.ts";
import { hashLeaf, verifyInclusion } from "../tree/merkle.ts";
import type { SignedTree } from "../ledger/receipt.ts";
import type { SignatureProvider } from "../keys/signature.ts";
import type { Hash } from "../sha256.ts";
import { verifyStatement } from "../statement/statement.ts";
import type { Findings, FindingSink } from "./findings.ts";
import type { Placed } from "./placed.ts";
import type { CheckedLog } from "./trust.ts";

/**
 * Replays the registry items of one log. Undefined where they don't hold.
 * Reports `registry-missing` (item 0 is not there), `entry-zero`, `registry-mismatch`, and the codes of {@link KeyState.apply}.
 */
export function replayRegistry(
  items: readonly Placed[],
  trees: readonly SignedTree[],
  log: CheckedLog,
  provider: SignatureProvider,
  hash: Hash,
  findings: Findings,
): KeyState | undefined {
  const state = new KeyState({ provider, hash, complete: false });
  const ordered = items.toSorted((a, b) => a.statement.claims.seq - b.statement.claims.seq);
  if (ordered[0]?.statement.claims.seq !== 0) {
    findings.missing("registry", "registry-missing", "item 0, the registration policy, is not in the bundle");
    return undefined;
  }
  try {
    for (const { statement, index } of ordered) {
      const item = state.apply(statement, index);
      if (item.kind === "policy" && (item.origin !== log.origin || !equalBytes(item.log.kid, log.key.kid))) {
        throw new EvidenceError("entry-zero", "entry 0 is the registration policy of another log");
      }
    }
    checkAgainstReg(ordered, trees);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    if (error.code === "registry-missing") findings.missing("registry", error.code, error.message);
    else findings.failed("registry", error.code, error.message);
    return undefined;
  }
  findings.passed("registry", `${ordered.length} items`);
  return state;
}

/**
 * Each receipt signs how many items its tree has, and the last of them: an older one, too, may not hide an item that was there.
 * hostile: both lists may be long, so they are walked side by side.
 */
function checkAgainstReg(
  ordered: readonly Pick<Placed, "statement" | "index">[],
  trees: readonly Pick<SignedTree, "size" | "registry">[],
): void {
  let next = 0;
  for (const { size, registry } of trees.toSorted((a, b) => a.size - b.size)) {
    while ((ordered[next]?.index ?? size) < size) next++;
    const [inside, outside] = [ordered[next - 1]?.statement, ordered[next]?.statement];
    const n = inside?.claims.seq ?? -1;
    const isLast = n === registry.count - 1;
    const hides = n >= registry.count || (outside?.claims.seq ?? registry.count) < registry.count;
    if (hides || (isLast && inside !== undefined && !equalBytes(inside.hash, registry.last))) {
      throw new EvidenceError("registry-mismatch", "the items are not the registry that the receipts sign", {
        size,
      });
    }
  }
}

/** The leaves of one log that lead to the signed root, by kid. Reports `key-state`, `proof-…`. */
export function checkLeaves(
  keys: readonly BundledKey[],
  keysRoot: Uint8Array,
  hash: Hash,
  findings: Findings,
): Map<string, KeyLeaf> {
  const leaves = new Map<string, KeyLeaf>();
  for (const { leaf: bytes, size, index, path } of keys) {
    try {
      const leaf = decodeLeaf(bytes);
      verifyInclusion(hashLeaf(bytes, hash), index, size, path, keysRoot, hash);
      if (leaves.has(toHex(leaf.kid))) throw new EvidenceError("key-state", "a key's state is given twice");
      leaves.set(toHex(leaf.kid), leaf);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      findings.failed("keys", error.code, `a key's state: ${error.message}`);
    }
  }
  return leaves;
}

/** A key that signed something here: what the registry says of it, agreed with the signed state. */
export type UsedKey = {
  readonly record: KeyRecord;
  readonly state: KeyState;
  readonly log: CheckedLog;
  /** As `KeyState.broughtBySuspect`, asked once for all its statements. */
  readonly broughtBySuspect: boolean;
};

/** What is said of a statement whose key an operator brought that was declared suspect from before. */
export const BROUGHT_BY_SUSPECT = "an operator that brought its key was declared suspect from before that";

/**
 * Checks each statement's signature and whether its key counted at its place, and the items that brought the key at theirs.
 * Reports `key-unknown`, `registry-missing`, `key-state`, `signature-invalid`, and the codes of {@link judgeUse}.
 */
export function checkSignatures(
  statements: readonly Placed[],
  state: KeyState,
  leaves: ReadonlyMap<string, KeyLeaf>,
  provider: SignatureProvider,
  findings: Findings,
): UsedKey[] {
  const used = new Map<string, UsedKey>();
  for (const { statement, index, log } of statements) {
    const kid = toHex(statement.kid);
    const record = used.get(kid)?.record ?? agreedKey(statement.kid, state, leaves, findings);
    if (record === undefined) continue;
    const broughtBySuspect = used.get(kid)?.broughtBySuspect ?? state.broughtBySuspect(statement.kid);
    used.set(kid, { record, state, log, broughtBySuspect });
    try {
      verifyStatement(statement, record.key, provider);
      findings.passed("signatures");
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      findings.failed("signatures", error.code, `${error.message}; statement ${toHex(statement.hash)}`);
      continue;
    }
    const { iss, sub, ch, seq } = statement.claims;
    const use = { iss, sub, seq, hash: statement.hash, index, ...(ch === undefined ? {} : { ch }) };
    const { invalid, restriction } = judgeUse(record, use, record.succession);
    const place = `${iss}/${sub} ${seq} at index ${index}`;
    if (invalid !== undefined) findings.failed("keys", invalid, place);
    else if (restriction !== undefined) findings.restricted("keys", restriction, place);
    else if (broughtBySuspect)
      findings.restricted("keys", "declared-suspect-later", `${place}: ${BROUGHT_BY_SUSPECT}`);
    else findings.passed("keys");
  }
  return [...used.values()];
}

/** The record of a key and of the operators behind it, where registry and signed state say the same of each. */
export function agreedKey(
  kid: Uint8Array,
  state: KeyState,
  leaves: ReadonlyMap<string, KeyLeaf>,
  findings: FindingSink,
): KeyRecord | undefined {
  const record = state.get(kid);
  if (record === undefined) {
    const known = leaves.has(toHex(kid));
    findings.missing(
      "keys",
      known ? "registry-missing" : "key-unknown",
      `no enrolment of the key ${toHex(kid)} in the bundle`,
    );
    return undefined;
  }
  const agreed = [record, ...state.operatorsOf(kid)].every((one) =>
    agrees(one, leaves.get(toHex(one.kid)), findings),
  );
  return agreed ? record : undefined;
}

function agrees(record: KeyRecord, leaf: KeyLeaf | undefined, findings: FindingSink): boolean {
  const name = `${record.iss}, key ${toHex(record.kid)}`;
  if (leaf === undefined) {
    findings.missing("keys", "key-state", `the bundle does not bring the state of ${name}`);
    return false;
  }
  if (equalBytes(encodeLeaf(record), encodeLeaf(leaf))) return true;
  if (knowsMore(leaf, record)) {
    findings.missing("registry", "registry-missing", `the items that changed ${name} are not in the bundle`);
  } else {
    findings.failed("keys", "key-state", `the signed state of ${name} does not follow from the registry`);
  }
  return false;
}

/** True where the signed state only adds a succession or revocation whose item was left out. */
function knowsMore(leaf: KeyLeaf, record: KeyRecord): boolean {
  const { superseded, suspect, revoked } = leaf;
  const added =
    (record.superseded === null || record.superseded === superseded) &&
    (record.revoked === null || (revoked !== null && revoked <= record.revoked)) &&
    (record.suspect === null || (suspect !== null && suspect <= record.suspect));
  return added && equalBytes(encodeLeaf({ ...record, superseded, suspect, revoked }), encodeLeaf(leaf));
}
