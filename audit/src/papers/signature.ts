/**
 * Signatures under working papers: `FOLDER.sig`, a CBOR sequence of COSE_Sign1. The first is over the manifest; each one after it is a
 * countersignature over all bytes before it, so that none can be taken out of the middle or put elsewhere.
 *
 * When it was signed is what the signer says: a claim in the signed header, by his own clock or as he gave it.
 *
 * @module
 */
import {
  concatBytes,
  decodeCbor,
  encodeCbor,
  equalBytes,
  EvidenceError,
  Fields,
  HASH_BYTES,
  sha256,
  splitSequence,
  type CborKey,
  type CborValue,
  type Signer,
} from "@tallystick/evidence";
import { IAT, openAs, sealAs, type Signed } from "../signed.ts";
import { decodeManifest, MAX_MANIFEST_BYTES, type Manifest } from "./manifest.ts";

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
/** A signature as it stands in the file. */
export type Signature = Signed<Omit<Claims, "name">>;
export type SignatureFile = {
  readonly manifest: Manifest;
  readonly first: Signature;
  readonly counter: readonly Signature[];
};

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

async function seal(
  type: string,
  payload: Uint8Array,
  { name, role, atUnixS }: Claims,
  signer: Signer,
): Promise<Uint8Array> {
  checkRole(role);
  const claims = new Map<CborKey, CborValue>([
    [IAT, atUnixS],
    ["role", role],
  ]);
  return sealAs(type, payload, { name, claims }, signer);
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
    const fields = new Fields(decodeCbor(signature.payload, { maxBytes: 128 }), "countersignature");
    fields.literal("v", [1]);
    const over = fields.bytes("over", HASH_BYTES);
    fields.end();
    if (!equalBytes(over, sha256(file.subarray(0, at))))
      throw new EvidenceError("papers-mismatch", "a countersignature over other bytes than those before it");
    at += bytes.length;
    return signature;
  });
  return { manifest: decodeManifest(first.payload), first, counter };
}

function readSignature(bytes: Uint8Array, type: string): Signature {
  const signature = openAs(type, bytes, MAX_SIGNATURE_BYTES, (claims) => ({
    role: claims.text("role"),
    atUnixS: claims.uint(IAT),
  }));
  checkRole(signature.claims.role);
  return signature;
}

function checkRole(role: string): void {
  if (role.length === 0 || role.length > MAX_ROLE || /[\p{C}\p{Z}]/u.test(role.replaceAll(" ", "")))
    throw new EvidenceError("member-range", "a role is a text of 1 to 64 characters");
}
