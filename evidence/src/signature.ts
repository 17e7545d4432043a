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

/** True where s of an ECDSA P-256 signature r || s lies in the lower half of the group order. */
export function isLowS(signature: Uint8Array): boolean {
  let s = 0n;
  for (const byte of signature.subarray(32)) s = (s << 8n) | BigInt(byte);
  return s <= P256_ORDER >> 1n;
}
