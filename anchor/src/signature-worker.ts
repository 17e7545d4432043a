/**
 * A worker thread: takes a job of signatures, answers with its verdicts.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";
import { runJob } from "./signature-job.ts";
import { createSodiumProvider } from "./sodium.ts";

const provider = createSodiumProvider();

parentPort?.on("message", (buffer: ArrayBuffer) => {
  const verdicts = runJob(buffer, provider);
  parentPort?.postMessage(verdicts.buffer, [verdicts.buffer]);
});
