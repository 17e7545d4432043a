/**
 * Signatures by libsodium, about twice as fast as OpenSSL; ESP256, which libsodium lacks, by node:crypto. The same inputs are accepted and
 * refused as by every other provider here (a test holds all to the 914 cases of C2SP/CCTV).
 *
 * @module
 */
import sodium from "sodium-native";
import { ALG_ED25519, type SignatureProvider } from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";

const SIGNATURE_BYTES = 64;

export function createSodiumProvider(): SignatureProvider {
  const node = createNodeProvider();
  return {
    name: "sodium",
    verify(key, message, signature) {
      if (key.alg !== ALG_ED25519) return node.verify(key, message, signature);
      if (signature.length !== SIGNATURE_BYTES || key.x.length !== 32) return false;
      return sodium.crypto_sign_verify_detached(signature, message, key.x);
    },
  };
}
