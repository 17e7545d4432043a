/**
 * Keys and signatures of the simulated worlds. The keys are the same in all of them, and signatures are real; one that was made in this process is known to be good and isn't
 * calculated again, which halves the time that a world takes. Whatever else claims to be one is verified.
 *
 * @module
 */
import { createPrivateKey, createPublicKey, sign } from "node:crypto";
import {
  ed25519Key,
  encodeUtf8,
  equalBytes,
  sha256,
  type PublicKey,
  type SignatureProvider,
  type Signer,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import type { Life } from "./life.ts";

export type KeyPair = { readonly key: PublicKey; readonly sign: (message: Uint8Array) => Uint8Array };

/** Signatures remembered; beyond, all are forgotten, and verified. */
const MAX_KNOWN = 20_000;
/** PKCS#8 of an Ed25519 seed, up to the seed (RFC 8410 section 7). */
const PKCS8_ED25519 = Buffer.from("302e020100300506032b657004220420", "hex");

/** The key of this name: always the same one. */
export function keyPair(name: string): KeyPair {
  const seed = sha256(encodeUtf8(`tallystick simulation ${name}`));
  const privateKey = createPrivateKey({
    key: Buffer.concat([PKCS8_ED25519, seed]),
    format: "der",
    type: "pkcs8",
  });
  const jwk = createPublicKey(privateKey).export({ format: "jwk" });
  const key = ed25519Key(new Uint8Array(Buffer.from(jwk.x ?? "", "base64url")));
  return { key, sign: (message) => new Uint8Array(sign(null, message, privateKey)) };
}

/** Signs, and knows what it has signed. */
export class Signatures {
  readonly #known = new Map<string, { readonly kid: Uint8Array; readonly message: Uint8Array }>();
  readonly #node = createNodeProvider();

  readonly provider: SignatureProvider = {
    name: "simulation",
    verify: (key, message, signature) => {
      const known = this.#known.get(textOf(signature));
      if (known !== undefined && equalBytes(known.kid, key.kid) && equalBytes(known.message, message))
        return true;
      return this.#node.verify(key, message, signature);
    },
  };

  /**
   * A signer of one process. The answer comes after a moment, as from another thread.
   *
   * @param look - called with each message as it is signed
   */
  signer(
    pair: KeyPair,
    life: Life,
    waitMs: () => number,
    look: (message: Uint8Array) => void = () => {},
  ): Signer {
    return {
      key: pair.key,
      sign: async (message) => {
        life.effect();
        look(message);
        const signature = pair.sign(message);
        if (this.#known.size >= MAX_KNOWN) this.#known.clear();
        this.#known.set(textOf(signature), { kid: pair.key.kid, message: message.slice() });
        await life.wait(waitMs(), "signing");
        return signature;
      },
    };
  }
}

const textOf = ({ buffer, byteOffset, byteLength }: Uint8Array): string =>
  Buffer.from(buffer, byteOffset, byteLength).toString("latin1");
