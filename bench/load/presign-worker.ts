/**
 * A thread that signs for one device after the other.
 *
 * @module
 */
import { parentPort } from "node:worker_threads";
import { presign, type PresignJob } from "./presign.ts";

parentPort?.on("message", (job: PresignJob) => {
  void answer(job);
});

async function answer(job: PresignJob): Promise<void> {
  const done = await presign(job);
  const buffers = [done.packets.buffer, done.offsets.buffer, done.firsts.buffer, done.hashes.buffer];
  parentPort?.postMessage(done, buffers);
}
