/**
 * The verdict on one piece of evidence: a statement, a transparent statement or a bundle. Everything that is believed comes from the
 * trust policy; nothing is read from a network, a disk or a clock.
 *
 * @module
 */
import { equalBytes, toHex } from "../bytes.ts";
import { decodeBundle, isBundle, MAX_BUNDLE_BYTES } from "../ledger/bundle.ts";
import { parseSign1 } from "../cose.ts";
import { EvidenceError, isEvidenceError } from "../errors.ts";
import { judgeRevocation, judgeUse, type Judgement } from "../key-state/key-leaf.ts";
import type { KeyRecord } from "../key-state/key-record.ts";
import type { KeyState } from "../key-state/key-state.ts";
import type { TrustPolicy } from "./policy.ts";
import { createNobleProvider } from "../keys/provider.ts";
import type { SignatureProvider } from "../keys/signature.ts";
import type { BatchClaims } from "../ledger/receipt.ts";
import { sha256, type Hash } from "../sha256.ts";
import { parseStatement, verifyStatement, type Statement } from "../statement/statement.ts";
import { parseTransparent, type Transparent } from "../statement/transparent.ts";
import { judgeBundle, type Means } from "./bundle.ts";
import { Findings, type Verdict } from "./findings.ts";
import { BROUGHT_BY_SUSPECT } from "./keys.ts";
import { ReceiptCheck, type GoodReceipt } from "./receipts.ts";
import { checkTimes } from "./times.ts";
import { checkOperators } from "./trust.ts";

/** A registry that the caller has at hand, for evidence that brings none (a transparent statement alone). */
export type RegistryCopy = {
  /**
   * The key state after as many items as the receipt signs.
   *
   * @throws EvidenceError `registry-missing`, `registry-mismatch`, `key-state`
   */
  at(receipt: BatchClaims): KeyState;
  /** Hash of the item of this number, where the copy has it: what a receipt proves of an item alone is that the log took it in, not that it counts. */
  hashOf(item: number): Uint8Array | undefined;
};

export type VerifyOptions = {
  readonly policy: TrustPolicy;
  readonly provider?: SignatureProvider;
  readonly hash?: Hash;
  readonly registry?: RegistryCopy;
};

/**
 * Judges the bytes of a statement, a transparent statement or a bundle (told apart by how they begin).
 *
 * Never throws on what is in the bytes: whatever is wrong with them is the verdict `invalid` with its code.
 */
export function verify(bytes: Uint8Array, options: VerifyOptions): Verdict {
  const { policy, provider = createNobleProvider(), hash = sha256, registry } = options;
  const findings = new Findings();
  try {
    if (isBundle(bytes)) judgeBundle(decodeBundle(bytes), { policy, provider, hash }, findings);
    else judgeTransparent(readStatement(bytes, hash), { policy, provider, hash }, registry, findings);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    findings.failed("format", error.code, error.message);
  }
  return findings.verdict();
}

/** A statement with the receipts it carries, which may be none. */
function readStatement(bytes: Uint8Array, hash: Hash): Transparent {
  const plain = parseSign1(bytes, MAX_BUNDLE_BYTES).unprotected.size === 0;
  return plain ? { statement: parseStatement(bytes, hash), receipts: [] } : parseTransparent(bytes, hash);
}

function judgeTransparent(
  { statement, receipts }: Transparent,
  { policy, provider, hash }: Means,
  registry: RegistryCopy | undefined,
  findings: Findings,
): void {
  findings.passed("format");
  const check = new ReceiptCheck(policy, provider, hash, findings);
  const good = receipts.flatMap((bytes) => check.check(bytes, statement.hash) ?? []);
  if (receipts.length === 0) findings.missing("receipts", "receipt-missing", "the statement has no receipt");
  for (const [origin, ofLog] of Map.groupBy(good, ({ tree }) => tree.origin)) {
    if (ofLog.some(({ index }) => index !== ofLog[0]?.index))
      findings.failed("receipts", "receipt-index", `the receipts of ${origin} name different places`);
    checkTimes(origin, check.timesOf(origin), findings);
  }
  if (policy.quorum === null)
    findings.restricted("witnesses", "no-witness", "the trust policy asks for no independent witness");
  else
    findings.missing(
      "witnesses",
      "quorum-unmet",
      "a statement alone brings no cosigned checkpoint: get the bundle",
    );
  // The newest receipt knows of the latest revocation.
  const newest = good.toSorted((a, b) => b.tree.size - a.tree.size)[0];
  judgeKey(statement, newest, registry, { policy, provider, hash }, findings);
  findings.notDone("completeness", "a statement alone says nothing of the ones around it");
  if (statement.claims.seen !== undefined)
    findings.notDone("seen", "a statement alone brings no proof of the tree it saw");
}

function judgeKey(
  statement: Statement,
  receipt: GoodReceipt | undefined,
  registry: RegistryCopy | undefined,
  { policy, provider }: Means,
  findings: Findings,
): void {
  if (receipt === undefined) {
    // A foreign receipt restricts only, and so must not stand alone: nobody has checked who signed.
    findings.missing("keys", "registry-missing", "no receipt here names the registry that knows the key");
    findings.notDone("signatures", "without a receipt that holds nothing says whose key this is");
    return;
  }
  if (registry === undefined) {
    findings.missing(
      "keys",
      "registry-missing",
      "whose key this is stands in the registry: give the log's public directory, or get the bundle",
    );
    findings.notDone("signatures", "the key is not known");
    return;
  }
  try {
    const state = registry.at(receipt.tree);
    if (statement.content.type === "registry") mustBeItem(statement, receipt.tree, registry);
    findings.passed("registry", `${state.count} items`);
    const record = state.get(statement.kid);
    if (record === undefined) {
      findings.missing("keys", "key-unknown", `the key ${toHex(statement.kid)} is not in the registry`);
      findings.notDone("signatures", "the key is not known");
      return;
    }
    verifyStatement(statement, record.key, provider);
    findings.passed("signatures");
    const { iss, sub, ch, seq } = statement.claims;
    const use = {
      iss,
      sub,
      seq,
      hash: statement.hash,
      index: receipt.index,
      ...(ch === undefined ? {} : { ch }),
    };
    const { invalid, restriction } =
      statement.content.type === "registry"
        ? judgeItem(record, iss, receipt.index)
        : judgeUse(record, use, record.succession);
    if (invalid !== undefined)
      findings.failed("keys", invalid, `${iss}/${sub} ${seq} at index ${receipt.index}`);
    else if (restriction !== undefined) findings.restricted("keys", restriction, `${iss}/${sub} ${seq}`);
    else if (state.broughtBySuspect(statement.kid))
      findings.restricted("keys", "declared-suspect-later", `${iss}/${sub} ${seq}: ${BROUGHT_BY_SUSPECT}`);
    else findings.passed("keys");
    checkOperators([{ record, state }], policy, findings);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    const about =
      error.code === "signature-invalid" || error.code === "key-mismatch" ? "signatures" : "registry";
    // A copy of the registry that lacks something says nothing against the evidence.
    if (error.code === "registry-missing") findings.missing(about, error.code, error.message);
    else findings.failed(about, error.code, error.message);
  }
}

/**
 * hostile: a log may take in another item under a number that is given. Only the one that the registry has at its number was judged by the replay.
 *
 * @throws EvidenceError `registry-mismatch`
 */
function mustBeItem(
  { hash, claims: { seq } }: Statement,
  { registry: { count } }: BatchClaims,
  registry: RegistryCopy,
): void {
  const item = seq < count ? registry.hashOf(seq) : undefined;
  if (item === undefined || !equalBytes(item, hash))
    throw new EvidenceError("registry-mismatch", `the registry's item ${seq} is another one than this`, {
      seq,
    });
}

/** Registry items are signed by the operator that they name. That it may act for the org concerned is what the replay of a registry checks. */
const judgeItem = (record: KeyRecord, iss: string, index: number): Judgement =>
  record.role === "operator" && record.iss === iss
    ? judgeRevocation(record, index)
    : { invalid: "key-issuer" };
