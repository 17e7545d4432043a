/**
 * The verdict on a completeness certificate: whether it has the form, and whether an auditor that is believed signed it.
 *
 * @module
 */
import { isEvidenceError, toHex, type SignatureProvider } from "@tallystick/evidence";
import type { CheckRow, Judgement } from "../judgement.ts";
import { isSignedBy, auditorOf, type Auditor } from "../signed.ts";
import { openCertificate, type Sealed } from "./seal.ts";

export type Judged = { readonly judgement: Judgement; readonly sealed?: Sealed };

/** Of what can't be read there is nothing but the judgement. */
export function judgeCertificate(
  bytes: Uint8Array,
  auditors: readonly Auditor[],
  provider: SignatureProvider,
): Judged {
  let sealed: Sealed;
  try {
    sealed = openCertificate(bytes);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    const { code, message } = error;
    const checks: CheckRow[] = [{ name: "certificate-format", result: "failed", code, reason: message }];
    return { judgement: { verdict: "invalid", code, restrictions: [], checks } };
  }
  const format: CheckRow = { name: "certificate-format", result: "passed" };
  const name = "certificate-signer";
  const who = `${sealed.name}, key ${toHex(sealed.kid)}`;
  const auditor = auditorOf(sealed, auditors);
  if (auditor === undefined) {
    const reason = `${who}: none of the auditors that you named`;
    const checks: CheckRow[] = [format, { name, result: "not-done", code: "key-unknown", reason }];
    return {
      judgement: { verdict: "not-verifiable", code: "key-unknown", restrictions: [], checks },
      sealed,
    };
  }
  if (!isSignedBy(sealed, auditor, provider)) {
    const checks: CheckRow[] = [format, { name, result: "failed", code: "signature-invalid", reason: who }];
    return { judgement: { verdict: "invalid", code: "signature-invalid", restrictions: [], checks }, sealed };
  }
  const checks: CheckRow[] = [format, { name, result: "passed", reason: who }];
  return { judgement: { verdict: "verified", restrictions: [], checks }, sealed };
}
