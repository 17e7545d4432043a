/**
 * Witnesses: who else has seen this checkpoint, and found the log grown since the one before (c2sp.org/tlog-cosignature).
 *
 * @module
 */
import { cosignedMessage, joinCosignature, splitCosignature } from "./cosigned-message.ts";
import { EvidenceError } from "../errors.ts";
import { ALG_ED25519 } from "../keys/keys.ts";
import { signaturesOf, verifySignature, type Note, type NoteSignature } from "./note.ts";
import type { SignatureProvider, Signer } from "../keys/signature.ts";
import { COSIGNATURE_ED25519, keyIdOf, type VerifierKey } from "../keys/vkey.ts";

/** When a witness saw the checkpoint, by its own clock. */
export type Cosignature = { readonly timeUnixS: number };

/**
 * Verifies a witness's cosignature of a note; of several the earliest counts.
 *
 * @param witness - its verifier key, type 04
 * @returns `undefined` where this witness did not cosign
 * @throws EvidenceError `note-signature` where what stands under its name and id is no good cosignature: then the whole note is
 *   refused; `vkey-malformed` for a key of another type
 */
export function verifyCosignature(
  note: Note,
  witness: VerifierKey,
  provider: SignatureProvider,
): Cosignature | undefined {
  if (witness.type !== COSIGNATURE_ED25519) {
    throw new EvidenceError("vkey-malformed", "a witness's key is of type 04", { key: witness.name });
  }
  let earliest: Cosignature | undefined;
  for (const { blob } of signaturesOf(note, witness)) {
    verifySignature(note.text, blob, witness, provider);
    const parts = splitCosignature(blob);
    if (parts !== undefined && (earliest === undefined || parts.timeUnixS < earliest.timeUnixS)) {
      earliest = { timeUnixS: parts.timeUnixS };
    }
  }
  return earliest;
}

/**
 * Which of a policy's witnesses cosigned, under the names that the policy gives them. What `quorumMet` takes.
 *
 * @throws EvidenceError `note-signature` where one of them cosigned badly
 */
export function verifyCosignatures(
  note: Note,
  witnesses: ReadonlyMap<string, { readonly vkey: VerifierKey }>,
  provider: SignatureProvider,
): Map<string, Cosignature> {
  const found = new Map<string, Cosignature>();
  for (const [name, { vkey }] of witnesses) {
    const cosignature = verifyCosignature(note, vkey, provider);
    if (cosignature !== undefined) found.set(name, cosignature);
  }
  return found;
}

/**
 * Cosigns the text of a checkpoint; append the result to the note's signatures. That the log only grew is for the caller to check.
 *
 * @param timeUnixS - seconds, a safe integer from 0
 * @throws EvidenceError `cose-algorithm` for a key that is not Ed25519
 */
export async function cosign(
  text: string,
  name: string,
  timeUnixS: number,
  signer: Signer,
): Promise<NoteSignature> {
  if (signer.key.alg !== ALG_ED25519) {
    throw new EvidenceError("cose-algorithm", "only an Ed25519 key cosigns");
  }
  const signature = await signer.sign(cosignedMessage(text, timeUnixS));
  return {
    name,
    keyId: keyIdOf(name, COSIGNATURE_ED25519, signer.key.x),
    blob: joinCosignature({ timeUnixS, signature }),
  };
}
