/**
 * What a signature is to its callers: the interface of those that check and make one, and the rules that need no curve to be loaded.
 *
 * @module
 */
import type { PublicKey } from "./keys.ts";

export interface SignatureProvider {
  readonly name: string;
  /** False for whatever is not a good signature of `key` over `message`: hostile input never throws. */
  verify(key: PublicKey, message: Uint8Array, signature: Uint8Array): boolean;
}

/** A private key that signs and is never shown. Asynchronous, because a key in hardware answers from another thread. */
export interface Signer {
  readonly key: PublicKey;
  /** 64 bytes: R || S for Ed25519, r || s with low s for ESP256. */
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** Bytes of a signature, for both algorithms. */
export const SIGNATURE_BYTES = 64;

/** Order of the group of P-256 (FIPS 186-5; SEC 2 section 2.4.2). */
const P256_ORDER = 0xffffffff_00000000_ffffffff_ffffffff_bce6faad_a7179e84_f3b9cac2_fc632551n;

const sOf = (signature: Uint8Array): bigint => {
  let s = 0n;
  for (const byte of signature.subarray(32)) s = (s << 8n) | BigInt(byte);
  return s;
};

/** True where s of an ECDSA P-256 signature r || s lies in the lower half of the group order. */
export const isLowS = (signature: Uint8Array): boolean => sOf(signature) <= P256_ORDER >> 1n;

/** The signature with s in the lower half: as good as the given one (n - s verifies where s does), and the only one of the two that is admitted. */
export function lowS(signature: Uint8Array): Uint8Array {
  if (isLowS(signature)) return signature;
  const result = new Uint8Array(signature);
  let s = P256_ORDER - sOf(signature);
  for (let i = result.length - 1; i >= 32; i--, s >>= 8n) result[i] = Number(s & 0xffn);
  return result;
}
