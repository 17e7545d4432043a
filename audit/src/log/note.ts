/**
 * The checkpoint of a log: found, signed by the key that the trust policy has for it, cosigned by enough witnesses; and an older
 * one of the same log.
 *
 * @module
 */
import {
  ed25519Key,
  equalBytes,
  EvidenceError,
  isEvidenceError,
  openCheckpoint,
  parseCheckpoint,
  parseNote,
  quorumMet,
  verifyCosignatures,
  type Note,
  type SignatureProvider,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import type { LogFindings } from "../judgement.ts";
import type { LogIdentity } from "./facts.ts";

/** Far more than any note has; the evidence package states its own limit. */
const MAX_READ_BYTES = 1 << 20;

export type OpenLog = LogIdentity & { readonly note: Note; readonly text: Uint8Array };

/**
 * Reads a place's checkpoint and opens it under the policy.
 *
 * @throws EvidenceError `unreachable` where there is none; `log-unknown`, `log-key`, `note-…`, `checkpoint-…`
 */
export async function openLog(
  place: Place,
  policy: TrustPolicy,
  provider: SignatureProvider,
): Promise<OpenLog> {
  const text = await place.read("checkpoint", MAX_READ_BYTES);
  if (text === undefined) {
    throw new EvidenceError(
      "unreachable",
      `${place.name} has no checkpoint: give the public directory of a log`,
    );
  }
  return openNote(text, policy, provider);
}

/** Opens a checkpoint's note under the log of the policy that it names. Errors as {@link openLog}. */
export function openNote(text: Uint8Array, policy: TrustPolicy, provider: SignatureProvider): OpenLog {
  const unverified = parseNote(text);
  const { origin } = parseCheckpoint(unverified.text);
  const pinned = policy.logs.find(({ vkey }) => vkey.name === origin);
  if (pinned === undefined) {
    throw new EvidenceError("log-unknown", `the trust policy has no log ${JSON.stringify(origin)}`);
  }
  const { vkey } = pinned;
  const named = unverified.signatures.filter(({ name }) => name === origin);
  if (named.length > 0 && named.every(({ keyId }) => !equalBytes(keyId, vkey.keyId))) {
    throw new EvidenceError(
      "log-key",
      `signed as ${origin}, with another key than the trust policy has for it`,
    );
  }
  const { size, root, note } = openCheckpoint(text, vkey, provider);
  return { origin: vkey.name, key: ed25519Key(vkey.publicKey), vkey, size, root, note, text };
}

/** Reports `no-witness` where the policy asks for none, `quorum-unmet` where too few cosigned. */
export function checkWitnesses(
  { note }: OpenLog,
  policy: TrustPolicy,
  provider: SignatureProvider,
  findings: LogFindings,
): void {
  if (policy.quorum === null) {
    findings.restricted("witnesses", "no-witness", "the trust policy asks for no independent witness");
    return;
  }
  try {
    const names = [...verifyCosignatures(note, policy.witnesses, provider).keys()];
    if (quorumMet(policy, names)) findings.passed("witnesses", `cosigned by ${names.join(", ")}`);
    else findings.missing("witnesses", "quorum-unmet", `cosigned by ${names.join(", ") || "nobody"}`);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    findings.failed("witnesses", error.code, error.message);
  }
}

/** An older checkpoint that somebody kept, and what they call it. */
export type OlderNote = { readonly name: string; readonly text: Uint8Array };

/**
 * Opens an older checkpoint of the log and says at which size the two can be compared; undefined where the answer is out already.
 * Reports `log-rollback` for one that is larger than the log is now, and what is wrong with the note.
 */
export function openOlder(
  { name, text }: OlderNote,
  log: LogIdentity,
  provider: SignatureProvider,
  findings: LogFindings,
): { readonly size: number; readonly root: Uint8Array } | undefined {
  try {
    const { size, root } = openCheckpoint(text, log.vkey, provider);
    if (size <= log.size) return { size, root };
    findings.failed(
      "since",
      "log-rollback",
      `${name} is of size ${size}, the log now of ${log.size}: entries were taken away`,
    );
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    findings.failed("since", error.code, `${name}: ${error.message}`);
  }
  return undefined;
}
