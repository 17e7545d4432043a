/**
 * The signature of a completeness certificate: a COSE_Sign1 with a `typ` of its own, so that it can be taken for nothing else.
 *
 * @module
 */
import {
  ALG_ED25519,
  encodeCbor,
  encodeSign1,
  equalBytes,
  EvidenceError,
  Fields,
  HASH_BYTES,
  isEvidenceError,
  isKeyName,
  parseSign1,
  toBeSigned,
  type CborKey,
  type CborValue,
  type SignatureProvider,
  type Signer,
  type Sign1,
} from "@tallystick/evidence";
import type { Auditor } from "../papers/signature.ts";
import { decodeContent, encodeContent, MAX_CERTIFICATE_BYTES, type Certificate } from "./content.ts";

const [ALG, KID, CWT_CLAIMS, TYP] = [1, 4, 15, 16];
const [ISS, IAT] = [1, 6];
const COMPLETENESS = "application/vnd.tallystick.completeness+cbor";
const MAX_SEALED_BYTES = MAX_CERTIFICATE_BYTES + 4096;

/** A certificate as it stands in a file; whether its signature is good is asked of {@link isSignedBy}. */
export type Sealed = {
  readonly certificate: Certificate;
  /** The name in the signer's verifier key. */
  readonly name: string;
  readonly kid: Uint8Array;
  /** When it was signed, as the signer says; null where it doesn't say. */
  readonly atUnixS: number | null;
  readonly sign1: Sign1;
};

/** Who signs, and when, if that is to be said: without it the same content and key give the same bytes. */
export type Certifier = { readonly name: string; readonly atUnixS: number | null };

/** @throws EvidenceError `too-large`, `key-malformed` for a key that isn't Ed25519, `member-range` for a name that a verifier key can't have */
export async function sealCertificate(
  certificate: Certificate,
  { name, atUnixS }: Certifier,
  signer: Signer,
): Promise<Uint8Array> {
  if (signer.key.alg !== ALG_ED25519)
    throw new EvidenceError("key-malformed", "a certificate is signed with Ed25519");
  checkName(name);
  const payload = encodeContent(certificate);
  const claims = new Map<CborKey, CborValue>([[ISS, name]]);
  if (atUnixS !== null) claims.set(IAT, atUnixS);
  const protectedBytes = encodeCbor(
    new Map<CborKey, CborValue>([
      [ALG, ALG_ED25519],
      [KID, signer.key.kid],
      [CWT_CLAIMS, claims],
      [TYP, COMPLETENESS],
    ]),
  );
  const signature = await signer.sign(toBeSigned(protectedBytes, payload));
  return encodeSign1({ protectedBytes, unprotected: new Map(), payload, signature });
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
  const sign1 = parseSign1(bytes, MAX_SEALED_BYTES);
  if (sign1.unprotected.size > 0)
    throw new EvidenceError("cose-unprotected", "the unprotected header of a certificate is empty");
  if (sign1.payload === null) throw new EvidenceError("cose-malformed", "the payload is detached");
  const fields = new Fields(sign1.header, "header");
  if (fields.int(ALG) !== ALG_ED25519)
    throw new EvidenceError("cose-algorithm", "a certificate is signed with Ed25519 (-19)");
  fields.literal(TYP, [COMPLETENESS]);
  const kid = fields.bytes(KID, HASH_BYTES);
  const claims = new Fields(fields.value(CWT_CLAIMS), "claims");
  const name = claims.text(ISS);
  const atUnixS = claims.optional(IAT, (key) => claims.uint(key)) ?? null;
  claims.end();
  fields.end();
  checkName(name);
  return { certificate: decodeContent(sign1.payload), name, kid, atUnixS, sign1 };
}

/** The auditor that it names as its signer: of this key and this name. */
export const certifierOf = ({ kid, name }: Sealed, auditors: readonly Auditor[]): Auditor | undefined =>
  auditors.find((one) => one.name === name && equalBytes(one.key.kid, kid));

export const isSignedBy = ({ sign1 }: Sealed, { key }: Auditor, provider: SignatureProvider): boolean =>
  provider.verify(key, toBeSigned(sign1.protectedBytes, sign1.payload ?? new Uint8Array()), sign1.signature);

function checkName(name: string): void {
  if (!isKeyName(name)) throw new EvidenceError("member-range", "a signer's name has no spaces and no plus");
}
