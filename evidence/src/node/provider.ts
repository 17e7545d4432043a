/**
 * Signatures and hashes by node:crypto (OpenSSL), several times faster than the portable default. Its strict Ed25519 is that of OpenSSL
 * 3.5 and later, which Node 24 carries; a test holds it to the same 914 cases as the others.
 *
 * @module
 */
import { createPublicKey, hash, verify, type KeyObject } from "node:crypto";
import { concatBytes, toHex } from "../bytes.ts";
import { ALG_ED25519, type PublicKey } from "../keys/keys.ts";
import { isLowS, SIGNATURE_BYTES, type SignatureProvider } from "../keys/signature.ts";
import { HASH_BYTES, type Hash } from "../sha256.ts";

/** DER of a SubjectPublicKeyInfo up to the key itself (RFC 8410 section 4; RFC 5480 section 2). */
const SPKI_ED25519 = Buffer.from("302a300506032b6570032100", "hex");
const SPKI_P256 = Buffer.from("3059301306072a8648ce3d020106082a8648ce3d03010703420004", "hex");

/** The key in DER, as other tools read it. */
export const spkiOf = ({ alg, x, y = new Uint8Array() }: PublicKey): Uint8Array =>
  alg === ALG_ED25519 ? concatBytes(SPKI_ED25519, x) : concatBytes(SPKI_P256, x, y);

/** Parsed keys kept by one provider: parsing costs as much as a verification. */
const MAX_KEYS = 4096;

/** A provider with a bounded memory of the keys that it has parsed. */
export function createNodeProvider(): SignatureProvider {
  const parsed = new Map<string, KeyObject>();
  let last: { readonly key: PublicKey; readonly object: KeyObject } | undefined;
  const keyObject = (key: PublicKey): KeyObject => {
    // Statements of a chain come one after the other, and a key is never changed.
    if (last?.key !== key) last = { key, object: lookedUp(key) };
    return last.object;
  };
  const lookedUp = (key: PublicKey): KeyObject => {
    const name = toHex(key.kid);
    const known = parsed.get(name);
    if (known !== undefined) return known;
    const object = createPublicKey({ key: Buffer.from(spkiOf(key)), format: "der", type: "spki" });
    if (parsed.size >= MAX_KEYS) parsed.clear();
    parsed.set(name, object);
    return object;
  };
  return {
    name: "node",
    verify(key, message, signature) {
      if (signature.length !== SIGNATURE_BYTES) return false;
      try {
        if (key.alg === ALG_ED25519) return verify(null, message, keyObject(key), signature);
        return (
          isLowS(signature) &&
          verify("sha256", message, { key: keyObject(key), dsaEncoding: "ieee-p1363" }, signature)
        );
      } catch {
        return false; // OpenSSL throws on bytes that are no point
      }
    },
  };
}

/**
 * SHA-256 by OpenSSL, in one call without a hash object. The digest comes as a string of one character a byte, because making a Buffer for
 * 32 bytes costs more than the hash itself: measured 3.5 million hashes of 65 bytes a second this way, 1.4 million with Buffers.
 */
export const nodeSha256: Hash = (bytes) => {
  const digest = hash("sha256", bytes, "binary");
  const out = new Uint8Array(HASH_BYTES);
  for (let i = 0; i < HASH_BYTES; i++) out[i] = digest.charCodeAt(i);
  return out;
};
