/**
 * Keys in files, in the formats that openssl reads: private PKCS#8 PEM of mode 0600, public SubjectPublicKeyInfo PEM.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign, type KeyObject } from "node:crypto";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { EvidenceError } from "../errors.ts";
import { ed25519Key, esp256Key, type PublicKey } from "../keys/keys.ts";
import type { Signer } from "../keys/signature.ts";
import { spkiOf } from "./provider.ts";

/** Longest key file that is read. */
const MAX_KEY_FILE_BYTES = 16_384;

/**
 * Makes a new Ed25519 key in a file that only its owner can read.
 *
 * @throws EvidenceError `key-file-exists` where a file of that name exists: a key is never overwritten
 */
export function createKeyFile(path: string): PublicKey {
  const { privateKey } = generateKeyPairSync("ed25519");
  try {
    writeFileSync(path, privateKey.export({ format: "pem", type: "pkcs8" }), {
      mode: 0o600,
      flag: "wx",
      flush: true,
    });
  } catch (cause) {
    if (isErrno(cause, "EEXIST")) {
      throw new EvidenceError(
        "key-file-exists",
        `${path}: a key is there already; move it away first`,
        {},
        cause,
      );
    }
    throw new EvidenceError(
      "key-file-unreadable",
      `${path}: can't write the key file: ${reasonOf(cause)}`,
      {},
      cause,
    );
  }
  return publicOf(createPublicKey(privateKey), path);
}

/**
 * Opens a private key (Ed25519) for signing.
 *
 * @throws EvidenceError `key-file-unreadable` (missing, not a key of that kind), `key-file-mode` (others could read it)
 */
export function loadSigner(path: string): Signer {
  const { pem, mode } = readKeyFile(path);
  if ((mode & 0o077) !== 0) {
    throw new EvidenceError("key-file-mode", `${path}: others can read this key; run: chmod 600 ${path}`);
  }
  let privateKey: KeyObject;
  try {
    privateKey = createPrivateKey(pem);
  } catch (cause) {
    throw new EvidenceError("key-file-unreadable", `${path}: not a private key in PKCS#8 PEM`, {}, cause);
  }
  const key = publicOf(createPublicKey(privateKey), path);
  if (key.y !== undefined) {
    throw new EvidenceError(
      "key-file-unreadable",
      `${path}: a key in a file is Ed25519; P-256 is for keys in hardware`,
    );
  }
  return { key, sign: (message) => Promise.resolve(new Uint8Array(sign(null, message, privateKey))) };
}

/**
 * Reads a public key, or the public half of a private one.
 *
 * @param origin - where the text came from, for the message
 * @throws EvidenceError `key-file-unreadable`
 */
export function parsePublicKeyPem(pem: string, origin: string): PublicKey {
  try {
    return publicOf(createPublicKey(pem), origin);
  } catch (cause) {
    if (cause instanceof EvidenceError) throw cause;
    throw new EvidenceError("key-file-unreadable", `${origin}: not a public key in PEM`, {}, cause);
  }
}

/** @throws EvidenceError `key-file-unreadable` */
export const readPublicKeyFile = (path: string): PublicKey => parsePublicKeyPem(readKeyFile(path).pem, path);

/** The public key as SubjectPublicKeyInfo PEM. */
export const publicKeyPem = (key: PublicKey): string =>
  createPublicKey({ key: Buffer.from(spkiOf(key)), format: "der", type: "spki" })
    .export({ format: "pem", type: "spki" })
    .toString();

function publicOf(object: KeyObject, origin: string): PublicKey {
  const jwk = object.export({ format: "jwk" });
  const part = (text: string | undefined): Uint8Array => new Uint8Array(Buffer.from(text ?? "", "base64url"));
  if (jwk["crv"] === "Ed25519") return ed25519Key(part(jwk.x));
  if (jwk["crv"] === "P-256") return esp256Key(part(jwk.x), part(jwk.y));
  throw new EvidenceError("key-file-unreadable", `${origin}: neither an Ed25519 nor a P-256 key`);
}

function readKeyFile(path: string): { pem: string; mode: number } {
  try {
    const { mode, size } = statSync(path);
    if (size > MAX_KEY_FILE_BYTES) throw new Error("too large for a key");
    return { pem: readFileSync(path, "utf8"), mode };
  } catch (cause) {
    throw new EvidenceError(
      "key-file-unreadable",
      `${path}: can't read the key file: ${reasonOf(cause)}`,
      {},
      cause,
    );
  }
}

const isErrno = (error: unknown, code: string): boolean =>
  error instanceof Error && "code" in error && error.code === code;

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
