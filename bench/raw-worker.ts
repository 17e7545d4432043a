/**
 * A thread that does nothing but verify signatures: the most that its core could admit. Each is another one, as statements are: one that is verified again and
 * again is 7 % faster, since the processor learns where its digits branch.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Signer } from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import { createSodiumProvider } from "../anchor/src/admission/sodium.ts";
import { signerOf } from "./load/keys.ts";

const {
  provider: name,
  messageBytes,
  seconds,
} = workerData as {
  provider: "sodium" | "node";
  messageBytes: number;
  seconds: number;
};
const provider = name === "sodium" ? createSodiumProvider() : createNodeProvider();
const KEYS = 16;
const SIGNATURES = 4096;
const AT_ONCE = 128;

type Signed = { readonly signer: Signer; readonly message: Uint8Array; readonly signature: Uint8Array };

const signers = Array.from({ length: KEYS }, (_, i) => signerOf(i));
const signed = await Promise.all(Array.from({ length: SIGNATURES }, (_, i) => signedBy(signers, i)));

/** Runs of one key, as in a case. */
async function signedBy(all: readonly Signer[], i: number): Promise<Signed> {
  const signer = all[Math.floor((i * KEYS) / SIGNATURES)] as Signer;
  const message = new Uint8Array(messageBytes).fill(7);
  new DataView(message.buffer).setUint32(0, i);
  return { signer, message, signature: await signer.sign(message) };
}

const verifyFor = (ms: number): number => {
  let count = 0;
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) {
    for (let i = 0; i < AT_ONCE; i++, count++) {
      const { signer, message, signature } = signed[count % SIGNATURES] as Signed;
      if (!provider.verify(signer.key, message, signature)) throw new Error("refused");
    }
  }
  return count;
};

verifyFor(200); // compiled, keys parsed
parentPort?.postMessage("ready", []);
parentPort?.once("message", () => {
  const startMs = performance.now();
  const count = verifyFor(seconds * 1000);
  parentPort?.postMessage(count / ((performance.now() - startMs) / 1000), []);
});
