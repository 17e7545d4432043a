/**
 * The signature provider of the auditor: libsodium where it is installed, about twice as fast as OpenSSL, else node:crypto. Both accept and refuse the same
 * inputs (a test holds all providers to the 914 cases of C2SP/CCTV).
 *
 * @module
 */
import { createRequire } from "node:module";
import { ALG_ED25519, type SignatureProvider } from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";

/** The one function of sodium-native that is used; the package carries no types. It throws on other lengths. */
type Sodium = {
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
};

const SIGNATURE_BYTES = 64;
const KEY_BYTES = 32;

/** The fastest provider that is installed here. */
export function bestProvider(): SignatureProvider {
  const node = createNodeProvider();
  const sodium = loadSodium();
  return sodium === undefined ? node : sodiumProvider(sodium, node);
}

/** By its name, for a thread that was told which one to use. */
export const providerOf = (name: string): SignatureProvider =>
  name === "sodium" ? bestProvider() : createNodeProvider();

/** ESP256, which libsodium lacks, goes to the other one. */
const sodiumProvider = (sodium: Sodium, node: SignatureProvider): SignatureProvider => ({
  name: "sodium",
  verify(key, message, signature) {
    if (key.alg !== ALG_ED25519) return node.verify(key, message, signature);
    if (signature.length !== SIGNATURE_BYTES || key.x.length !== KEY_BYTES) return false;
    return sodium.crypto_sign_verify_detached(signature, message, key.x);
  },
});

/** An optional package: where it isn't installed, or not for this machine, there is another way. */
function loadSodium(): Sodium | undefined {
  try {
    return createRequire(import.meta.url)("sodium-native") as Sodium;
  } catch {
    return undefined;
  }
}
