/**
 * What a signature thread does: takes a job of signatures, and gives it back with its verdicts. Given to the thread as text, so it refers
 * to nothing outside itself.
 *
 * @module
 */
import type * as modules from "node:module";
import type * as threads from "node:worker_threads";
import type sodiumNative from "sodium-native";
import type * as evidence from "@tallystick/evidence/node";
import type { runJob as RunJob } from "./signature-job.ts";

/**
 * @param require - the thread's own; packages are looked for from the file whose URL is `workerData`
 * @param runJob - the function of that name
 */
export function signatureThread(require: NodeJS.Require, runJob: typeof RunJob): void {
  const { parentPort, workerData } = require("node:worker_threads") as typeof threads;
  const { createRequire } = require("node:module") as typeof modules;
  const load = createRequire(workerData as string);
  const sodium = load("sodium-native") as typeof sodiumNative;
  // Keys in hardware are rare, and libsodium lacks their curve: what checks them is loaded with the first one.
  let node: ReturnType<typeof evidence.createNodeProvider> | undefined;
  parentPort?.on("message", (buffer: ArrayBuffer) => {
    runJob(buffer, (x, y, message, signature) => {
      if (y === undefined) return sodium.crypto_sign_verify_detached(signature, message, x);
      node ??= (load("@tallystick/evidence/node") as typeof evidence).createNodeProvider();
      return node.verify({ alg: -9, x, y, kid: Uint8Array.of(...x, ...y) }, message, signature);
    });
    parentPort.postMessage(buffer, [buffer]);
  });
}
