/**
 * Receipts (COSE Receipts, RFC 9942): the log's signature over a tree's root, with the paths that lead there from its entries.
 *
 * The signature covers {protected header, root} and nothing else, so by RFC 9942 alone neither the tree's size nor an entry's index would be
 * authenticated. Here the signed claims carry `size`, and a verifier demands that every proof is for that size. One signature serves a
 * whole batch: only the unprotected proofs differ from receipt to receipt.
 *
 * @module
 */
import { equalBytes, toHex } from "./bytes.ts";
import { ARRAY, BYTE_STRING, headLength, UINT, writeHead } from "./cbor-head.ts";
import { decodeCbor, encodeCbor, type CborKey, type CborMap, type CborValue } from "./cbor.ts";
import { encodeSign1, parseSign1, toBeSigned, type Sign1 } from "./cose.ts";
import { EvidenceError } from "./errors.ts";
import { ALG_ED25519, type PublicKey } from "./keys.ts";
import { hashLeaf, rootFromInclusion } from "./merkle.ts";
import { SIGNATURE_BYTES, type SignatureProvider, type Signer } from "./signature.ts";
import { HASH_BYTES, sha256, type Hash } from "./sha256.ts";
import { asBytes, asUint, Fields, tuple } from "./shape.ts";
import { LIMITS } from "./topics.ts";

/** Most proofs in one receipt: as many as statements in one message. */
const MAX_PROOFS = 512;

const ALG = 1;
const KID = 4;
const CLAIMS = 15;
const TYP = 16;
const TYP_RECEIPT = 278;
const VDS = 395;
/** RFC9162_SHA256, the one verifiable data structure of the IANA registry. */
const VDS_RFC9162 = 1;
const VDP = 396;
const INCLUSION = -1;

/** What the log signs about a tree besides its root. */
export type BatchClaims = {
  readonly origin: string;
  /** Commit time by the log's own clock, seconds. */
  readonly timeUnixS: number;
  /** Entries in the tree, at least 2. */
  readonly size: number;
  /** Registry items in this tree, and the SHA-256 of the last of them. */
  readonly registry: { readonly count: number; readonly last: Uint8Array };
  /** Root of the key state after those items. */
  readonly keysRoot: Uint8Array;
};

/** A tree, and all that the log signs about it. */
export type SignedTree = BatchClaims & { readonly root: Uint8Array };

/** The one signature of a batch, from which each receipt of its tree is made. */
export type SignedBatch = {
  readonly protectedBytes: Uint8Array;
  readonly signature: Uint8Array;
  readonly size: number;
};

/** Where an entry is in the tree. `path` leads from its leaf to the root (RFC 9162 section 2.1.3). */
export type Proof = { readonly size: number; readonly index: number; readonly path: readonly Uint8Array[] };

/** A receipt of this profile, read and not yet verified. */
export type Receipt = BatchClaims & {
  readonly bytes: Uint8Array;
  readonly kid: Uint8Array;
  /** In the order of the hashes that were sent with it. */
  readonly proofs: readonly Proof[];
  readonly sign1: Sign1;
};

/** Signs a tree. Ed25519 is deterministic: the same claims and root give the same bytes again. */
export async function signBatch(claims: BatchClaims, root: Uint8Array, signer: Signer): Promise<SignedBatch> {
  const protectedBytes = encodeCbor(
    new Map<CborKey, CborValue>([
      [ALG, ALG_ED25519],
      [KID, signer.key.kid],
      [
        CLAIMS,
        new Map<CborKey, CborValue>([
          [1, claims.origin],
          [2, claims.origin],
          [6, claims.timeUnixS],
          ["reg", [claims.registry.count, claims.registry.last]],
          ["keys", claims.keysRoot],
          ["size", claims.size],
        ]),
      ],
      [TYP, TYP_RECEIPT],
      [VDS, VDS_RFC9162],
    ]),
  );
  const signature = await signer.sign(toBeSigned(protectedBytes, root));
  return { protectedBytes, signature, size: claims.size };
}

/**
 * Writes a receipt of the batch for the entries that `proofs` lead to.
 *
 * @throws EvidenceError `member-range` for a hash in a path that has not 32 bytes
 */
export function encodeReceipt(batch: SignedBatch, proofs: readonly Omit<Proof, "size">[]): Uint8Array {
  const inclusion = proofs.map(({ index, path }) => encodeProof(batch.size, index, path));
  return encodeSign1({
    protectedBytes: batch.protectedBytes,
    unprotected: new Map([[VDP, new Map([[INCLUSION, inclusion]])]]),
    payload: null,
    signature: batch.signature,
  });
}

/** `[size, index, path]`, written out byte by byte: these are most of what a log sends, and the codec takes five times as long. */
function encodeProof(size: number, index: number, path: readonly Uint8Array[]): Uint8Array {
  const heads = 1 + headLength(size) + headLength(index) + headLength(path.length);
  const bytes = new Uint8Array(heads + (headLength(HASH_BYTES) + HASH_BYTES) * path.length);
  let at = writeHead(bytes, 0, ARRAY, 3);
  at = writeHead(bytes, at, UINT, size);
  at = writeHead(bytes, at, UINT, index);
  at = writeHead(bytes, at, ARRAY, path.length);
  for (const hash of path) {
    at = writeHead(bytes, at, BYTE_STRING, HASH_BYTES);
    bytes.set(asBytes(hash, HASH_BYTES, "path hash"), at);
    at += HASH_BYTES;
  }
  return bytes;
}

/**
 * Reads a receipt of this profile.
 *
 * @throws EvidenceError `receipt-malformed`, `cose-malformed`, `receipt-size` (a proof for another size than the signed one), `vds-unsupported`, `cose-algorithm`, a code of
 *   a closed shape or of CBOR
 */
export function parseReceipt(bytes: Uint8Array): Receipt {
  const sign1 = parseSign1(bytes, LIMITS.maxReceiptBytes);
  const header = new Fields(sign1.header, "receipt header");
  if (header.int(ALG) !== ALG_ED25519)
    throw new EvidenceError("cose-algorithm", "a receipt is signed with Ed25519 (-19)");
  const kid = header.bytes(KID, HASH_BYTES);
  const claims = readClaims(header.value(CLAIMS));
  if (header.int(TYP) !== TYP_RECEIPT) throw new EvidenceError("receipt-malformed", "typ is not 278");
  if (header.int(VDS) !== VDS_RFC9162)
    throw new EvidenceError("vds-unsupported", "only RFC9162_SHA256 (1) is known");
  header.end();
  if (sign1.payload !== null) throw new EvidenceError("receipt-malformed", "the payload of a receipt is nil");
  if (sign1.signature.length !== SIGNATURE_BYTES)
    throw new EvidenceError("cose-malformed", "an Ed25519 signature has 64 bytes");
  const proofs = readProofs(sign1.unprotected);
  for (const { size } of proofs) {
    if (size !== claims.size) {
      throw new EvidenceError("receipt-size", "a proof is not for the signed size", {
        size,
        signed: claims.size,
      });
    }
  }
  return { ...claims, bytes, kid, proofs, sign1 };
}

function readClaims(value: CborValue): BatchClaims {
  const fields = new Fields(value, "receipt claims");
  const origin = fields.text(1);
  if (fields.text(2) !== origin)
    throw new EvidenceError("receipt-malformed", "iss and sub of a receipt are the origin");
  const timeUnixS = fields.uint(6);
  const [count, last] = tuple(fields.value("reg"), 2, "reg");
  const keysRoot = fields.bytes("keys", HASH_BYTES);
  const size = fields.uint("size");
  fields.end();
  if (size < 2) throw new EvidenceError("receipt-size", "there is no receipt below size 2", { size });
  return {
    origin,
    timeUnixS,
    size,
    registry: { count: asUint(count, "reg count"), last: asBytes(last, HASH_BYTES, "reg last") },
    keysRoot,
  };
}

function readProofs(unprotected: CborMap): Proof[] {
  const outer = new Fields(unprotected, "receipt unprotected header");
  const proofs = new Fields(outer.value(VDP), "receipt proofs");
  outer.end();
  const list = proofs.list(INCLUSION, 1, MAX_PROOFS);
  proofs.end();
  return list.map((item) => parseProof(asBytes(item, undefined, "proof")));
}

/** Reads `[size, index, [+ hash]]`. @throws EvidenceError a code of CBOR or of a closed shape */
export function parseProof(bytes: Uint8Array): Proof {
  const [size, index, path] = tuple(decodeCbor(bytes, { maxBytes: 4096 }), 3, "proof");
  if (!Array.isArray(path) || path.length === 0 || path.length > 64) {
    throw new EvidenceError("proof-length", "a path has 1 to 64 hashes");
  }
  return {
    size: asUint(size, "proof size"),
    index: asUint(index, "proof index"),
    path: path.map((hash: CborValue) => asBytes(hash, HASH_BYTES, "path hash")),
  };
}

/** What a good receipt says: the tree, and the place of each entry. */
export type Verified = { readonly root: Uint8Array; readonly indexes: readonly number[] };

/**
 * Verifies a receipt for `entries` (ledger entries: hashes of statements), in the order of its proofs.
 *
 * The paths must all lead to one root, and the log's signature must cover that root and the size.
 *
 * @throws EvidenceError `receipt-key`, `receipt-entry` (as many proofs as entries, or proofs that lead to different roots), `proof-index`,
 *   `proof-length`, `signature-invalid`
 */
export function verifyReceipt(
  receipt: Receipt,
  entries: readonly Uint8Array[],
  logKey: PublicKey,
  provider: SignatureProvider,
  hash: Hash = sha256,
): Verified {
  if (!equalBytes(receipt.kid, logKey.kid)) {
    throw new EvidenceError("receipt-key", "the receipt names another key than the log's", {
      kid: toHex(receipt.kid),
    });
  }
  const root = commonRoot(receipt, entries, hash);
  if (!provider.verify(logKey, toBeSigned(receipt.sign1.protectedBytes, root), receipt.sign1.signature)) {
    throw new EvidenceError("signature-invalid", "the log did not sign this root for this entry", {
      size: receipt.size,
    });
  }
  return { root, indexes: receipt.proofs.map(({ index }) => index) };
}

function commonRoot({ proofs }: Receipt, entries: readonly Uint8Array[], hash: Hash): Uint8Array {
  if (entries.length !== proofs.length) {
    throw new EvidenceError("receipt-entry", "as many proofs as statements are needed", {
      proofs: proofs.length,
      statements: entries.length,
    });
  }
  let root: Uint8Array | undefined;
  for (const [i, { index, size, path }] of proofs.entries()) {
    const entry = entries[i] ?? new Uint8Array();
    const found = rootFromInclusion(hashLeaf(entry, hash), index, size, path, hash);
    if (root !== undefined && !equalBytes(root, found)) {
      throw new EvidenceError("receipt-entry", "the proofs of one receipt lead to different roots", {
        index,
      });
    }
    root = found;
  }
  if (root === undefined) throw new EvidenceError("receipt-entry", "a receipt without proofs");
  return root;
}

/** True where two receipts are about one size and differ in what the log signed about it: proof that its operator cheats. */
export function equivocate(a: SignedTree, b: SignedTree): boolean {
  if (a.origin !== b.origin || a.size !== b.size) return false;
  return !(
    equalBytes(a.root, b.root) &&
    equalBytes(a.keysRoot, b.keysRoot) &&
    a.registry.count === b.registry.count &&
    equalBytes(a.registry.last, b.registry.last)
  );
}
