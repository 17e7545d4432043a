/**
 * Signatures under working papers: `FOLDER.sig`, a CBOR sequence of COSE_Sign1. The first is over the manifest; each one after it is a
 * countersignature over all bytes before it, so that none can be taken out of the middle or put elsewhere.
 *
 * When it was signed is what the signer says: a claim in the signed header, by his own clock or as he gave it.
 *
 * @module
 */
import {
  ALG_ED25519,
  concatBytes,
  decodeCbor,
  ed25519Key,
  encodeCbor,
  encodeSign1,
  equalBytes,
  EvidenceError,
  Fields,
  HASH_BYTES,
  isKeyName,
  NOTE_ED25519,
  parseSign1,
  parseVkey,
  sha256,
  splitSequence,
  toBeSigned,
  type CborKey,
  type CborValue,
  type PublicKey,
  type SignatureProvider,
  type Signer,
  type Sign1,
} from "@tallystick/evidence";
import { decodeManifest, MAX_MANIFEST_BYTES, type Manifest } from "./manifest.ts";

const [ALG, KID, CWT_CLAIMS, TYP] = [1, 4, 15, 16];
const [ISS, IAT] = [1, 6];
const PAPERS = "application/vnd.tallystick.papers+cbor";
const COUNTERSIGNED = "application/vnd.tallystick.papers-countersignature+cbor";
const TAGS = [18] as const;

/** Signatures in one file, the first included. */
const MAX_SIGNATURES = 64;
const MAX_SIGNATURE_BYTES = MAX_MANIFEST_BYTES + 4096;
export const MAX_FILE_BYTES = MAX_SIGNATURE_BYTES + MAX_SIGNATURES * 4096;
const MAX_ROLE = 64;

/** Who signs: the name of the key, what for (`auditor`, `reviewer`), and when, as the signer says. */
export type Claims = { readonly name: string; readonly role: string; readonly atUnixS: number };
/** A key that is trusted as an auditor's, by its verifier key. */
export type Auditor = { readonly name: string; readonly key: PublicKey; readonly vkey: string };

/** A signature as it stands in the file; whether it is good is asked of {@link isGood}. */
export type Signature = { readonly claims: Claims; readonly kid: Uint8Array; readonly sign1: Sign1 };
export type SignatureFile = {
  readonly manifest: Manifest;
  readonly first: Signature;
  readonly counter: readonly Signature[];
};

/** @throws EvidenceError `vkey-malformed`, also for a witness's key */
export function parseAuditor(text: string): Auditor {
  const { name, publicKey, type } = parseVkey(text);
  if (type !== NOTE_ED25519) throw new EvidenceError("vkey-malformed", "an auditor's key is of type 01");
  return { name, key: ed25519Key(publicKey), vkey: text };
}

/** The file with its first signature. @throws EvidenceError `key-malformed` for a key that isn't Ed25519 */
export const signPapers = (manifest: Uint8Array, claims: Claims, signer: Signer): Promise<Uint8Array> =>
  seal(PAPERS, manifest, claims, signer);

/** The file with one countersignature more. Check what stands in it first. */
export async function countersignPapers(
  file: Uint8Array,
  claims: Claims,
  signer: Signer,
): Promise<Uint8Array> {
  const over = encodeCbor(
    new Map<CborKey, CborValue>([
      ["v", 1],
      ["over", sha256(file)],
    ]),
  );
  return concatBytes(file, await seal(COUNTERSIGNED, over, claims, signer));
}

async function seal(type: string, payload: Uint8Array, claims: Claims, signer: Signer): Promise<Uint8Array> {
  if (signer.key.alg !== ALG_ED25519)
    throw new EvidenceError("key-malformed", "working papers are signed with Ed25519");
  checkClaims(claims);
  const protectedBytes = encodeCbor(
    new Map<CborKey, CborValue>([
      [ALG, ALG_ED25519],
      [KID, signer.key.kid],
      [
        CWT_CLAIMS,
        new Map<CborKey, CborValue>([
          [ISS, claims.name],
          [IAT, claims.atUnixS],
          ["role", claims.role],
        ]),
      ],
      [TYP, type],
    ]),
  );
  const signature = await signer.sign(toBeSigned(protectedBytes, payload));
  return encodeSign1({ protectedBytes, unprotected: new Map(), payload, signature });
}

/**
 * Takes a file of signatures apart, strictly; none is checked.
 *
 * @throws EvidenceError `cose-…`, `papers-mismatch` for a countersignature over other bytes than those before it, `too-large`, a code of a closed
 *   shape or of CBOR
 */
export function parseSignatures(file: Uint8Array): SignatureFile {
  const { items, rest } = splitSequence(file, {
    maxBytes: MAX_FILE_BYTES,
    maxItems: MAX_SIGNATURES,
    maxItemBytes: MAX_SIGNATURE_BYTES,
    tags: TAGS,
  });
  if (rest !== undefined) throw rest.error;
  const [papers, ...more] = items;
  if (papers === undefined) throw new EvidenceError("cbor-malformed", "a file of signatures is not empty");
  const first = readSignature(papers, PAPERS);
  let at = papers.length;
  const counter = more.map((bytes) => {
    const signature = readSignature(bytes, COUNTERSIGNED);
    const fields = new Fields(decodeCbor(payloadOf(signature), { maxBytes: 128 }), "countersignature");
    fields.literal("v", [1]);
    const over = fields.bytes("over", HASH_BYTES);
    fields.end();
    if (!equalBytes(over, sha256(file.subarray(0, at))))
      throw new EvidenceError("papers-mismatch", "a countersignature over other bytes than those before it");
    at += bytes.length;
    return signature;
  });
  return { manifest: decodeManifest(payloadOf(first)), first, counter };
}

export const payloadOf = ({ sign1 }: Signature): Uint8Array => sign1.payload ?? new Uint8Array();

function readSignature(bytes: Uint8Array, type: string): Signature {
  const sign1 = parseSign1(bytes, MAX_SIGNATURE_BYTES);
  if (sign1.unprotected.size > 0)
    throw new EvidenceError("cose-unprotected", "the unprotected header of a signature is empty");
  if (sign1.payload === null) throw new EvidenceError("cose-malformed", "the payload is detached");
  const fields = new Fields(sign1.header, "header");
  if (fields.int(ALG) !== ALG_ED25519)
    throw new EvidenceError("cose-algorithm", "working papers are signed with Ed25519 (-19)");
  fields.literal(TYP, [type]);
  const kid = fields.bytes(KID, HASH_BYTES);
  const named = new Fields(fields.value(CWT_CLAIMS), "claims");
  const claims = { name: named.text(ISS), role: named.text("role"), atUnixS: named.uint(IAT) };
  named.end();
  fields.end();
  checkClaims(claims);
  return { claims, kid, sign1 };
}

function checkClaims({ name, role }: Claims): void {
  if (!isKeyName(name)) throw new EvidenceError("member-range", "a signer's name has no spaces and no plus");
  if (role.length === 0 || role.length > MAX_ROLE || /[\p{C}\p{Z}]/u.test(role.replaceAll(" ", "")))
    throw new EvidenceError("member-range", "a role is a text of 1 to 64 characters");
}

/** The auditor that signed: of this key and this name. */
export const auditorOf = ({ kid, claims }: Signature, auditors: readonly Auditor[]): Auditor | undefined =>
  auditors.find((one) => one.name === claims.name && equalBytes(one.key.kid, kid));

export const isGood = (signature: Signature, { key }: Auditor, provider: SignatureProvider): boolean =>
  provider.verify(
    key,
    toBeSigned(signature.sign1.protectedBytes, payloadOf(signature)),
    signature.sign1.signature,
  );
