/**
 * Signatures by noble: the portable default.
 *
 * All providers accept and refuse the same inputs. For Ed25519 that is the strict rule: canonical A and R, neither of small order,
 * S below the group order, and S*B - k*A encodes to the very bytes of R (no cofactor). For ESP256, s lies in the lower half.
 *
 * @module
 */
import { ed25519 } from "@noble/curves/ed25519.js";
import { p256 } from "@noble/curves/nist.js";
import { sha512 } from "@noble/hashes/sha2.js";
import { concatBytes, equalBytes } from "./bytes.ts";
import { ALG_ED25519, ed25519Key, type PublicKey } from "./keys.ts";
import { SIGNATURE_BYTES, type SignatureProvider, type Signer } from "./signature.ts";

const { Point } = ed25519;
const ORDER = Point.Fn.ORDER;

export const nobleProvider: SignatureProvider = {
  name: "noble",
  verify(key, message, signature) {
    if (signature.length !== SIGNATURE_BYTES) return false;
    try {
      return key.alg === ALG_ED25519
        ? verifyEd25519(key.x, message, signature)
        : verifyEsp256(key, message, signature);
    } catch {
      return false; // noble throws on bytes that are no point
    }
  },
};

/** RFC 8032 section 5.1.7 without the cofactor; noble's own `verify` accepts more in either of its modes. */
function verifyEd25519(x: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const encodedR = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= ORDER) return false;
  const a = Point.fromBytes(x, false); // zip215 = false: refuses non-canonical encodings
  const r = Point.fromBytes(encodedR, false);
  if (a.isSmallOrder() || r.isSmallOrder()) return false;
  const k = littleEndian(sha512(concatBytes(encodedR, x, message))) % ORDER;
  const expected = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k));
  return equalBytes(expected.toBytes(), encodedR);
}

function verifyEsp256({ x, y }: PublicKey, message: Uint8Array, signature: Uint8Array): boolean {
  if (y === undefined) return false;
  const point = concatBytes(Uint8Array.of(4), x, y);
  return p256.verify(signature, message, point, { lowS: true, prehash: true, format: "compact" });
}

function littleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = bytes.length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i] as number);
  return value;
}

/** Signs in software with an Ed25519 seed of 32 bytes (RFC 8032 section 5.1.5). */
export function nobleSigner(seed: Uint8Array): Signer {
  return {
    key: ed25519Key(ed25519.getPublicKey(seed)),
    sign: (message) => Promise.resolve(ed25519.sign(message, seed)),
  };
}
