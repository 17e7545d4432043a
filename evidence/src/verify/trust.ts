/**
 * Whom the verifier believes: which logs, which witnesses, which operators. All of it comes from the trust policy, none from the evidence.
 *
 * @module
 */
import { equalBytes } from "../bytes.ts";
import { openCheckpoint, type Checkpoint } from "../ledger/checkpoint.ts";
import { verifyCosignatures } from "../ledger/cosignature.ts";
import { isEvidenceError } from "../errors.ts";
import type { KeyRecord } from "../key-state/key-record.ts";
import type { KeyState } from "../key-state/key-state.ts";
import { ed25519Key, type PublicKey } from "../keys/keys.ts";
import { parseIss } from "../names.ts";
import type { Note } from "../ledger/note.ts";
import { quorumMet, type TrustPolicy } from "./policy.ts";
import type { SignatureProvider } from "../keys/signature.ts";
import { parseVkey, type VerifierKey } from "../keys/vkey.ts";
import type { Findings } from "./findings.ts";

/** A log that the policy names, with its key. */
export type TrustedLog = { readonly origin: string; readonly key: PublicKey; readonly vkey: VerifierKey };

/** A trusted log at the checkpoint that the evidence brings. */
export type CheckedLog = TrustedLog & { readonly checkpoint: Checkpoint; readonly note: Note };

/** The policy's log of this name. */
export function logOf(policy: TrustPolicy, origin: string): TrustedLog | undefined {
  const found = policy.logs.find(({ vkey }) => vkey.name === origin);
  return found === undefined
    ? undefined
    : { origin: found.vkey.name, key: ed25519Key(found.vkey.publicKey), vkey: found.vkey };
}

/**
 * The logs of a bundle that the policy trusts, each with its verified checkpoint, by their place in the bundle.
 * Reports `log-unknown`, `log-key`, `vkey-malformed`, `note-…`, `checkpoint-…`.
 */
export function checkLogs(
  logs: readonly { readonly vkey: string; readonly checkpoint: string }[],
  policy: TrustPolicy,
  provider: SignatureProvider,
  findings: Findings,
): (CheckedLog | undefined)[] {
  return logs.map(({ vkey: text, checkpoint: noteText }) => {
    try {
      const claimed = parseVkey(text);
      const log = logOf(policy, claimed.name);
      if (log === undefined) {
        findings.missing("log", "log-unknown", `the trust policy has no log ${claimed.name}`);
        return undefined;
      }
      if (!equalBytes(claimed.publicKey, log.vkey.publicKey)) {
        findings.failed("log", "log-key", `the trust policy has another key for the log ${claimed.name}`);
        return undefined;
      }
      const { note, ...checkpoint } = openCheckpoint(noteText, log.vkey, provider);
      findings.passed("log", `${log.origin} at size ${checkpoint.size}`);
      return { ...log, checkpoint, note };
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      findings.failed("log", error.code, error.message);
      return undefined;
    }
  });
}

/** Reports `no-witness` where the policy asks for none, `quorum-unmet` where too few cosigned a checkpoint. */
export function checkWitnesses(
  logs: readonly CheckedLog[],
  policy: TrustPolicy,
  provider: SignatureProvider,
  findings: Findings,
): void {
  if (policy.quorum === null) {
    findings.restricted("witnesses", "no-witness", "the trust policy asks for no independent witness");
    return;
  }
  for (const { note, origin } of logs) {
    try {
      const names = [...verifyCosignatures(note, policy.witnesses, provider).keys()];
      if (quorumMet(policy, names))
        findings.passed("witnesses", `${origin}: cosigned by ${names.join(", ")}`);
      else
        findings.missing(
          "witnesses",
          "quorum-unmet",
          `${origin}: cosigned by ${names.join(", ") || "nobody"}`,
        );
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      findings.failed("witnesses", error.code, `${origin}: ${error.message}`);
    }
  }
}

/**
 * Goes up from the operator that enrolled a device's key to the founding ones and looks for the pinned key of the org.
 * Reports `operators-not-pinned`, `operator-unpinned`, `operator-foreign`.
 */
export function checkOperators(
  used: readonly { readonly record: KeyRecord; readonly state: KeyState }[],
  policy: TrustPolicy,
  findings: Findings,
): void {
  if (policy.operators.length === 0) {
    findings.restricted(
      "operators",
      "operators-not-pinned",
      "no operator in the trust policy: device identity rests on the log key alone",
    );
    return;
  }
  for (const { record, state } of used) {
    const { org } = parseIss(record.iss);
    switch (operatorFault(record, state, policy)) {
      case undefined:
        findings.passed("operators", `${org}: enrolled by an operator under the pinned one`);
        break;
      case "operator-unpinned":
        findings.missing("operators", "operator-unpinned", `the trust policy pins no operator of ${org}`);
        break;
      case "operator-foreign":
        findings.failed(
          "operators",
          "operator-foreign",
          `${record.iss} was enrolled by operators that don't begin at the pinned one`,
        );
    }
  }
}

/** Why the policy's operators don't stand behind a key; undefined where one of them does, in `state` or as the key itself. */
export function operatorFault(
  record: KeyRecord,
  state: KeyState,
  policy: TrustPolicy,
): "operator-unpinned" | "operator-foreign" | undefined {
  const { org } = parseIss(record.iss);
  const ofOrg = policy.operators.filter((one) => one.org === org);
  const pins = ofOrg.length > 0 ? ofOrg : policy.operators.filter((one) => one.org === "*");
  if (pins.length === 0) return "operator-unpinned";
  const own = record.role === "operator" ? [record] : []; // a pinned operator needs nobody above it
  const met = [...own, ...state.operatorsOf(record.kid)].some(({ iss, key }) =>
    pins.some(({ vkey }) => vkey.name === iss && equalBytes(vkey.publicKey, key.x)),
  );
  return met ? undefined : "operator-foreign";
}
