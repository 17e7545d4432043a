/**
 * Receipts (COSE Receipts, RFC 9942): the log's signature over a tree's root, with the paths that lead there from its entries.
 *
 * The signature covers {protected header, root} and nothing else, so by RFC 9942 alone neither the tree's size nor an entry's index would be
 * authenticated. Here the signed claims carry `size`, and a verifier demands that every proof is for that size. One signature serves a
 * whole batch: only the unprotected proofs differ from receipt to receipt.
 *
 * @module
 */
import { equalBytes, toHex } from "../bytes.ts";
import { encodeCbor, type CborKey, type CborMap, type CborValue } from "../cbor.ts";
import { commonRoot } from "../tree/common-root.ts";
import { encodeSign1, parseSign1, toBeSigned, type Sign1 } from "../cose.ts";
import { EvidenceError } from "../errors.ts";
import { encodeProof, parseProof, type Proof, type ReadProof } from "../tree/inclusion-proof.ts";
import { ALG_ED25519, type PublicKey } from "../keys/keys.ts";
import { SIGNATURE_BYTES, type SignatureProvider, type Signer } from "../keys/signature.ts";
import { HASH_BYTES, sha256, type Hash } from "../sha256.ts";
import { asBytes, asUint, Fields, tuple } from "../shape.ts";
import { LIMITS } from "../topics.ts";

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

/** A receipt of this profile, read and not yet verified. */
export type Receipt = BatchClaims & {
  readonly bytes: Uint8Array;
  readonly kid: Uint8Array;
  /** In the order of the hashes that were sent with it. */
  readonly proofs: readonly ReadProof[];
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

function readProofs(unprotected: CborMap): ReadProof[] {
  const outer = new Fields(unprotected, "receipt unprotected header");
  const proofs = new Fields(outer.value(VDP), "receipt proofs");
  outer.end();
  const list = proofs.list(INCLUSION, 1, MAX_PROOFS);
  proofs.end();
  return list.map((item) => parseProof(asBytes(item, undefined, "proof")));
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
  const root = commonRoot(receipt.proofs, entries, hash);
  if (!provider.verify(logKey, toBeSigned(receipt.sign1.protectedBytes, root), receipt.sign1.signature)) {
    throw new EvidenceError("signature-invalid", "the log did not sign this root for this entry", {
      size: receipt.size,
    });
  }
  return { root, indexes: receipt.proofs.map(({ index }) => index) };
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
