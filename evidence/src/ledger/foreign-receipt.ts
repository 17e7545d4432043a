/**
 * Receipts of other log software (RFC 9942 alone). They prove that an entry is included, and no more: neither size nor index is covered by the
 * log's signature, so neither is reported.
 *
 * @module
 */
import { type CborValue } from "../cbor.ts";
import { parseSign1, toBeSigned, type Sign1 } from "../cose.ts";
import { EvidenceError, isEvidenceError } from "../errors.ts";
import { parseProof, type Proof } from "../tree/inclusion-proof.ts";
import { ALG_ED25519, ALG_ESP256, type PublicKey } from "../keys/keys.ts";
import { hashLeaf, rootFromInclusion } from "../tree/merkle.ts";
import { SIGNATURE_BYTES, type SignatureProvider } from "../keys/signature.ts";
import { sha256, type Hash } from "../sha256.ts";
import { asBytes, Fields } from "../shape.ts";
import { LIMITS } from "../topics.ts";

/** The fully-specified algorithms and the deprecated ones that mean the same with these keys (RFC 9864). */
const ALGORITHMS: ReadonlyMap<CborValue | undefined, PublicKey["alg"]> = new Map([
  [-19, ALG_ED25519],
  [-8, ALG_ED25519],
  [-9, ALG_ESP256],
  [-7, ALG_ESP256],
]);

export type ForeignReceipt = {
  /** Claim 1 of the CWT claims, where there are any. */
  readonly issuer?: string;
  readonly alg: PublicKey["alg"];
  readonly proof: Proof;
  readonly sign1: Sign1;
};

/** True where the bytes are a receipt whose signed claims have no `size`: not one of our profile. */
export function isForeignReceipt(bytes: Uint8Array): boolean {
  try {
    const claims = parseSign1(bytes, LIMITS.maxReceiptBytes, { deterministicHeader: false }).header.get(15);
    return !(claims instanceof Map && claims.has("size"));
  } catch (error) {
    if (isEvidenceError(error)) return false; // unreadable: the strict parser says why
    throw error;
  }
}

/**
 * Reads a receipt of RFC 9942 with one inclusion proof. Its header may be in any order unless `deterministicHeader` is asked for.
 *
 * @throws EvidenceError `vds-unsupported`, `cose-algorithm`, `cose-malformed`, `receipt-malformed`, or a code of CBOR
 */
export function parseForeignReceipt(
  bytes: Uint8Array,
  { deterministicHeader = false }: { readonly deterministicHeader?: boolean } = {},
): ForeignReceipt {
  const sign1 = parseSign1(bytes, LIMITS.maxReceiptBytes, { deterministicHeader });
  if (sign1.header.get(395) !== 1)
    throw new EvidenceError("vds-unsupported", "only RFC9162_SHA256 (1) is known");
  const alg = ALGORITHMS.get(sign1.header.get(1));
  if (alg === undefined) throw new EvidenceError("cose-algorithm", "neither Ed25519 nor ECDSA on P-256");
  if (sign1.payload !== null) throw new EvidenceError("receipt-malformed", "the payload of a receipt is nil");
  if (sign1.signature.length !== SIGNATURE_BYTES)
    throw new EvidenceError("cose-malformed", "a signature of Ed25519 or ECDSA on P-256 has 64 bytes");
  const proofs = new Fields(new Fields(sign1.unprotected, "unprotected header").value(396), "proofs").list(
    -1,
    1,
  );
  if (proofs.length !== 1)
    throw new EvidenceError("receipt-malformed", "a foreign receipt of more than one proof");
  const proof = parseProof(asBytes(proofs[0], undefined, "proof"));
  const claims = sign1.header.get(15);
  const issuer = claims instanceof Map ? claims.get(1) : undefined;
  return { alg, proof, sign1, ...(typeof issuer === "string" ? { issuer } : {}) };
}

/**
 * Verifies that `entry` is included in a tree that `key` signed.
 *
 * @returns the root that was signed
 * @throws EvidenceError `key-mismatch`, `proof-index`, `proof-length`, `signature-invalid`
 */
export function verifyForeignReceipt(
  { alg, proof, sign1 }: ForeignReceipt,
  entry: Uint8Array,
  key: PublicKey,
  provider: SignatureProvider,
  hash: Hash = sha256,
): Uint8Array {
  if (alg !== key.alg)
    throw new EvidenceError("key-mismatch", "the receipt is of another algorithm than the key");
  const root = rootFromInclusion(hashLeaf(entry, hash), proof.index, proof.size, proof.path, hash);
  if (!provider.verify(key, toBeSigned(sign1.protectedBytes, root), sign1.signature)) {
    throw new EvidenceError("signature-invalid", "the log did not sign this root for this entry");
  }
  return root;
}
