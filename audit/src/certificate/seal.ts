/**
 * The signature of a completeness certificate, with a `typ` of its own.
 *
 * @module
 */
import { isEvidenceError, parseSign1, type CborKey, type CborValue, type Signer } from "@tallystick/evidence";
import { IAT, openAs, sealAs, TYP, type Signed } from "../signed.ts";
import { decodeContent, encodeContent, MAX_CERTIFICATE_BYTES, type Certificate } from "./content.ts";

const COMPLETENESS = "application/vnd.tallystick.completeness+cbor";
const MAX_SEALED_BYTES = MAX_CERTIFICATE_BYTES + 4096;

/** A certificate as it stands in a file; whether its signature is good is asked of `isSignedBy`. */
export type Sealed = Omit<Signed<unknown>, "claims"> & {
  readonly certificate: Certificate;
  /** When it was signed, as the signer says; null where it doesn't say. */
  readonly atUnixS: number | null;
};

/** Who signs, and when, if that is to be said: without it the same content and key give the same bytes. */
export type Certifier = { readonly name: string; readonly atUnixS: number | null };

/** @throws EvidenceError `too-large`, `key-malformed` for a key that isn't Ed25519, `member-range` for a name that a verifier key can't have */
export function sealCertificate(
  certificate: Certificate,
  { name, atUnixS }: Certifier,
  signer: Signer,
): Promise<Uint8Array> {
  const claims = new Map<CborKey, CborValue>(atUnixS === null ? [] : [[IAT, atUnixS]]);
  return sealAs(COMPLETENESS, encodeContent(certificate), { name, claims }, signer);
}

/** True where bytes say that they are a certificate, whatever else is wrong with them. */
export function isCertificate(bytes: Uint8Array): boolean {
  try {
    return parseSign1(bytes, MAX_SEALED_BYTES).header.get(TYP) === COMPLETENESS;
  } catch (error) {
    if (isEvidenceError(error)) return false;
    throw error;
  }
}

/**
 * Takes a certificate apart, strictly; its signature is not checked.
 *
 * @throws EvidenceError `cose-…`, and what {@link decodeContent} throws
 */
export function openCertificate(bytes: Uint8Array): Sealed {
  const { claims: atUnixS, ...signed } = openAs(
    COMPLETENESS,
    bytes,
    MAX_SEALED_BYTES,
    (claims) => claims.optional(IAT, (key) => claims.uint(key)) ?? null,
  );
  return { ...signed, atUnixS, certificate: decodeContent(signed.payload) };
}
