/**
 * A thread that does nothing but verify one signature again and again: the most that its core could admit.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import { createNodeProvider } from "@tallystick/evidence/node";
import { createSodiumProvider } from "../anchor/src/sodium.ts";
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
const signer = signerOf(0);
const message = new Uint8Array(messageBytes).fill(7);
const signature = await signer.sign(message);
const AT_ONCE = 100;

const verifyFor = (ms: number): number => {
  let count = 0;
  const endMs = performance.now() + ms;
  while (performance.now() < endMs) {
    for (let i = 0; i < AT_ONCE; i++)
      if (!provider.verify(signer.key, message, signature)) throw new Error("refused");
    count += AT_ONCE;
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
