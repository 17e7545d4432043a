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
import { concatBytes, equalBytes, toHex } from "../bytes.ts";
import { ALG_ED25519, ed25519Key, type PublicKey } from "./keys.ts";
import { SIGNATURE_BYTES, type SignatureProvider, type Signer } from "./signature.ts";

const { Point } = ed25519;
type EdwardsPoint = InstanceType<typeof Point>;
const ORDER = Point.Fn.ORDER;

/** Remembers nothing: for single signatures, and where no state may be kept. */
export const nobleProvider: SignatureProvider = providerOf(pointOf);

/** Keys kept by one provider, and a table for each that is used often: some 150 kB. */
const MAX_KEYS = 32;
/** From so many signatures of one key on its table, which costs two verifications, is worth it. */
const OFTEN = 3;
/** Bits of a scalar taken at once. */
const TABLE_BITS = 4;

/** As {@link nobleProvider}, but with a bounded memory of keys: verifying many signatures of one takes half the time. */
export function createNobleProvider(): SignatureProvider {
  const known = new Map<string, { readonly point: EdwardsPoint; uses: number }>();
  return providerOf((x) => {
    const name = toHex(x);
    const key = known.get(name) ?? { point: pointOf(x), uses: 0 };
    if (key.uses === 0) {
      if (known.size >= MAX_KEYS) known.clear();
      known.set(name, key);
    }
    key.uses += 1;
    if (key.uses === OFTEN) key.point.precompute(TABLE_BITS);
    return key.point;
  });
}

function providerOf(keyPoint: (x: Uint8Array) => EdwardsPoint): SignatureProvider {
  return {
    name: "noble",
    verify(key, message, signature) {
      if (signature.length !== SIGNATURE_BYTES) return false;
      try {
        return key.alg === ALG_ED25519
          ? verifyEd25519(keyPoint(key.x), key.x, message, signature)
          : verifyEsp256(key, message, signature);
      } catch {
        return false; // noble throws on bytes that are no point
      }
    },
  };
}

/** A public key's point. @throws Error for bytes that are no point, not the canonical ones of it, or one of small order */
function pointOf(x: Uint8Array): EdwardsPoint {
  const point = Point.fromBytes(x, false); // zip215 = false: refuses non-canonical encodings
  if (point.isSmallOrder()) throw new Error("a point of small order");
  return point;
}

/**
 * RFC 8032 section 5.1.7 without the cofactor; noble's own `verify` accepts more in either of its modes. R isn't decoded: what a point encodes to is canonical,
 * and whose bytes are R's is R.
 */
function verifyEd25519(a: EdwardsPoint, x: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  const encodedR = signature.subarray(0, 32);
  const s = littleEndian(signature.subarray(32));
  if (s >= ORDER) return false;
  const k = littleEndian(sha512(concatBytes(encodedR, x, message))) % ORDER;
  const expected = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(k));
  return !expected.isSmallOrder() && equalBytes(expected.toBytes(), encodedR);
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
