/**
 * Signs for all devices, on as many threads as there are processors.
 *
 * @module
 */
import { cpus } from "node:os";
import { Worker } from "node:worker_threads";
import type { LoadOptions } from "./options.ts";
import type { Presigned, PresignJob } from "./presign.ts";

const WORKER = new URL("./presign-worker.ts", import.meta.url);

export async function presignAll(options: LoadOptions): Promise<Presigned[]> {
  const { devices, statements, stream, readings, perMessage, seen } = options;
  const count = Math.ceil(statements / devices);
  const done: Presigned[] = [];
  let next = 0;
  const work = (worker: Worker): Promise<void> =>
    new Promise((resolve, reject) => {
      const give = (): void => {
        if (next === devices) resolve();
        else
          worker.postMessage(
            {
              device: next++,
              count,
              stream,
              readings,
              perMessage,
              seen,
            } satisfies PresignJob,
            [],
          );
      };
      worker.on("message", (presigned: Presigned) => {
        done[presigned.device] = presigned;
        give();
      });
      worker.on("error", reject);
      give();
    });
  const workers = cpus().map(() => new Worker(WORKER));
  try {
    await Promise.all(workers.map(work));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  return done;
}
