/**
 * Verifier keys: a signed note's public key as one line of text (c2sp.org/signed-note, "Verifier keys").
 *
 *     <name>+<key id: 8 lower-case hex digits>+<base64(type || public key)>
 *     key id = SHA-256(name || 0A || type || public key), first four bytes
 *
 * Two types are admitted, both Ed25519 with a key of 32 bytes: a note's signature (01), and a witness's cosignature (04). The
 * type is part of the key id, so that one never passes as the other.
 *
 * @module
 */
import { concatBytes, encodeUtf8, equalBytes, fromBase64, fromHex, toBase64, toHex } from "../bytes.ts";
import { EvidenceError, isEvidenceError } from "../errors.ts";
import { ALG_ED25519, type PublicKey } from "./keys.ts";
import { sha256 } from "../sha256.ts";

/** A log's, or an operator's, Ed25519 signature over the text of a note. */
export const NOTE_ED25519 = 0x01;

/** A witness's timestamped Ed25519 cosignature of a checkpoint (c2sp.org/tlog-cosignature). */
export const COSIGNATURE_ED25519 = 0x04;

export type VkeyType = typeof NOTE_ED25519 | typeof COSIGNATURE_ED25519;

export const KEY_ID_BYTES = 4;

const ED25519_BYTES = 32;

/** Long enough for any name that we meet; a bound for what strangers send. */
const MAX_VKEY_CHARACTERS = 1024;

export type VerifierKey = {
  readonly name: string;
  readonly keyId: Uint8Array;
  readonly type: VkeyType;
  readonly publicKey: Uint8Array;
  /** The very line that was read. */
  readonly text: string;
};

/** U+0000 to U+001F, the control characters that no note has: all of Cc but U+007F to U+009F. */
export const CONTROL = /[^\P{Cc}\u007f-\u009f]/u;

/** A key's name as signed-note has it: not empty, no Unicode space, no plus, no control character, well-formed. */
export const isKeyName = (name: string): boolean =>
  name.length > 0 && name.isWellFormed() && !CONTROL.test(name) && !/[\p{White_Space}+]/u.test(name);

/**
 * Reads one verifier key; there is one text for each.
 *
 * @throws EvidenceError `vkey-malformed`, its message saying what is wrong and whether the type is one that we don't know
 */
export function parseVkey(text: string): VerifierKey {
  const fault = (message: string, cause?: unknown): never => {
    throw new EvidenceError("vkey-malformed", message, {}, cause);
  };
  if (text.length > MAX_VKEY_CHARACTERS) fault("a verifier key is too long");
  const [, name = "", id = "", encoded = ""] =
    /^([^+]*)\+([0-9a-f]{8})\+([A-Za-z0-9+/=]+)$/.exec(text) ??
    fault("not a verifier key: expected NAME+8 HEX DIGITS+BASE64");
  if (!isKeyName(name)) fault("a key name is not empty and has no spaces");
  const material = base64Or(encoded, (cause) => fault("the key is not base64", cause));
  const type = material[0];
  if (type !== NOTE_ED25519 && type !== COSIGNATURE_ED25519) {
    return fault("a verifier key of a type that is not known here: only Ed25519, types 01 and 04, is");
  }
  const publicKey = material.subarray(1);
  if (publicKey.length !== ED25519_BYTES) fault("an Ed25519 verifier key has 32 bytes after its type");
  const keyId = fromHex(id);
  if (!equalBytes(keyId, keyIdOf(name, type, publicKey))) {
    fault("the key id doesn't follow from name and key: one of them was altered");
  }
  return { name, keyId, type, publicKey, text };
}

/**
 * Writes the verifier key of an Ed25519 key.
 *
 * @throws EvidenceError `vkey-malformed` for another kind of key, or a name with spaces, a plus, or nearly 1,000 characters
 */
export function formatVkey(name: string, key: PublicKey, type: VkeyType = NOTE_ED25519): string {
  if (key.alg !== ALG_ED25519) throw new EvidenceError("vkey-malformed", "only an Ed25519 key signs notes");
  if (!isKeyName(name)) {
    throw new EvidenceError("vkey-malformed", "a key name is not empty and has no spaces and no plus");
  }
  const id = keyIdOf(name, type, key.x);
  const text = `${name}+${toHex(id)}+${toBase64(concatBytes(Uint8Array.of(type), key.x))}`;
  if (text.length > MAX_VKEY_CHARACTERS) {
    throw new EvidenceError("vkey-malformed", "a key name is too long", { length: name.length });
  }
  return text;
}

/** First four bytes of SHA-256(name || 0A || type || public key). */
export const keyIdOf = (name: string, type: VkeyType, publicKey: Uint8Array): Uint8Array =>
  sha256(concatBytes(encodeUtf8(name), Uint8Array.of(0x0a, type), publicKey)).slice(0, KEY_ID_BYTES);

/** The bytes, or what `otherwise` makes of a text that is no canonical base64. */
export function base64Or(text: string, otherwise: (cause: unknown) => never): Uint8Array {
  try {
    return fromBase64(text);
  } catch (cause) {
    if (isEvidenceError(cause)) return otherwise(cause);
    throw cause;
  }
}
