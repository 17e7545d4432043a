/**
 * The city's keys, from its seed: whoever makes it again has the same bytes. Signed with OpenSSL, which is fast.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, hash, sign, type KeyObject } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { ed25519Key, type Signer } from "@tallystick/evidence";

/** DER of a PKCS#8 Ed25519 key up to the seed itself (RFC 8410 section 7). */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

function keyOf(seed: number, name: string): KeyObject {
  const secret = hash("sha256", `city ${seed} ${name}`, "buffer");
  return createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, secret]), format: "der", type: "pkcs8" });
}

export function signerOf(seed: number, name: string): Signer {
  const key = keyOf(seed, name);
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  return {
    key: ed25519Key(new Uint8Array(Buffer.from(x, "base64url"))),
    sign: (message) => Promise.resolve(new Uint8Array(sign(null, message, key))),
  };
}

/** As the programs read it. */
export function writeKeyFile(path: string, seed: number, name: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  writeFileSync(path, keyOf(seed, name).export({ format: "pem", type: "pkcs8" }), { mode: 0o600 });
}
