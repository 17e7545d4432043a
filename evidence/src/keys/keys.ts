/**
 * Public keys: COSE_Key on the wire (RFC 9052 section 7), named by their RFC 9679 thumbprint. Two kinds are admitted, each with
 * its fully-specified algorithm (RFC 9864): Ed25519 (-19), and P-256 (ESP256, -9) for keys that live in hardware.
 *
 * @module
 */
import { encodeCbor, type CborKey, type CborMap, type CborValue } from "../cbor.ts";
import { EvidenceError } from "../errors.ts";
import { sha256 } from "../sha256.ts";
import { Fields } from "../shape.ts";

export const ALG_ED25519 = -19;
export const ALG_ESP256 = -9;
export type Algorithm = typeof ALG_ED25519 | typeof ALG_ESP256;

/** COSE_Key labels and values (RFC 9053 section 7). */
const KTY = 1;
const CRV = -1;
const X = -2;
const Y = -3;
const OKP = { kty: 1, crv: 6 } as const;
const EC2 = { kty: 2, crv: 1 } as const;

/** A key that may sign statements. `y` is there exactly for ESP256; `kid` is the 32-byte thumbprint. */
export type PublicKey = {
  readonly alg: Algorithm;
  readonly x: Uint8Array;
  readonly y?: Uint8Array;
  readonly kid: Uint8Array;
};

/** @throws EvidenceError `key-malformed` unless 32 bytes are given; the point itself is judged when a signature is checked */
export function ed25519Key(x: Uint8Array): PublicKey {
  if (x.length !== 32) throw new EvidenceError("key-malformed", "an Ed25519 key has 32 bytes");
  return { alg: ALG_ED25519, x, kid: thumbprint({ alg: ALG_ED25519, x }) };
}

/** @throws EvidenceError `key-malformed` unless both coordinates have 32 bytes */
export function esp256Key(x: Uint8Array, y: Uint8Array): PublicKey {
  if (x.length !== 32 || y.length !== 32)
    throw new EvidenceError("key-malformed", "a P-256 coordinate has 32 bytes");
  return { alg: ALG_ESP256, x, y, kid: thumbprint({ alg: ALG_ESP256, x, y }) };
}

/** The COSE_Key with the members of its thumbprint and no others. */
export function coseKey({ alg, x, y }: Omit<PublicKey, "kid">): CborMap {
  if (alg === ALG_ED25519 || y === undefined) {
    return new Map<CborKey, CborValue>([
      [KTY, OKP.kty],
      [CRV, OKP.crv],
      [X, x],
    ]);
  }
  return new Map<CborKey, CborValue>([
    [KTY, EC2.kty],
    [CRV, EC2.crv],
    [X, x],
    [Y, y],
  ]);
}

/** SHA-256 of the deterministic COSE_Key of the required members only (RFC 9679 section 4). */
export const thumbprint = (key: Omit<PublicKey, "kid">): Uint8Array => sha256(encodeCbor(coseKey(key)));

/**
 * Reads a COSE_Key of exactly the members that its thumbprint covers.
 *
 * @throws EvidenceError `key-malformed` for another kind of key, or a code of a closed shape
 */
export function parseCoseKey(value: CborValue): PublicKey {
  const fields = new Fields(value, "key");
  const kind = `${fields.int(KTY)}/${fields.int(CRV)}`;
  if (kind === `${OKP.kty}/${OKP.crv}`) {
    const key = ed25519Key(fields.bytes(X, 32));
    fields.end();
    return key;
  }
  if (kind === `${EC2.kty}/${EC2.crv}`) {
    const key = esp256Key(fields.bytes(X, 32), fields.bytes(Y, 32));
    fields.end();
    return key;
  }
  throw new EvidenceError("key-malformed", "neither an Ed25519 nor a P-256 key", { kind });
}
