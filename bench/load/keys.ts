/**
 * The keys of the load's devices: the same at every run, from the number of the device. Signed with OpenSSL, which is fast.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, hash, sign } from "node:crypto";
import { ed25519Key, type Signer } from "@tallystick/evidence";

/** DER of a PKCS#8 Ed25519 key up to the seed itself (RFC 8410 section 7). */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

export const issOf = (device: number): string => `city/gw-${device}`;

export function signerOf(device: number): Signer {
  const seed = hash("sha256", `bench device ${device}`, "buffer");
  const key = createPrivateKey({ key: Buffer.concat([PKCS8_ED25519, seed]), format: "der", type: "pkcs8" });
  const { x = "" } = createPublicKey(key).export({ format: "jwk" });
  return {
    key: ed25519Key(new Uint8Array(Buffer.from(x, "base64url"))),
    sign: (message) => Promise.resolve(new Uint8Array(sign(null, message, key))),
  };
}
