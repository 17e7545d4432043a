/**
 * What the processors could verify at best, if they did nothing else: the measure for whatever else is measured here.
 *
 * @module
 */
import { cpus } from "node:os";
import { Worker } from "node:worker_threads";
import type { Context, Figure, Row } from "../figures.ts";

const WORKER = new URL("../raw-worker.ts", import.meta.url);
/** What is signed of a statement of one reading. */
const MESSAGE_BYTES = 250;

/** Ed25519 verifications a second on all cores together, a thread each. */
export function rawRate(context: Context, provider: "sodium" | "node" = "sodium"): Promise<number> {
  return context.once(`raw ${provider}`, async () => {
    context.say(`verifying with ${provider} alone on ${cpus().length} cores`);
    const workerData = { provider, messageBytes: MESSAGE_BYTES, seconds: context.quick ? 2 : 5 };
    const workers = cpus().map(() => new Worker(WORKER, { workerData }));
    const said = <T>(worker: Worker): Promise<T> =>
      new Promise((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      });
    await Promise.all(workers.map(said<"ready">));
    const rates = workers.map(said<number>);
    for (const worker of workers) worker.postMessage("go", []);
    const sum = (await Promise.all(rates)).reduce((total, rate) => total + rate, 0);
    await Promise.all(workers.map((worker) => worker.terminate()));
    return sum;
  });
}

export const raw: Row = {
  name: "raw",
  what: "signatures verified by the libraries alone",
  async run(context): Promise<readonly Figure[]> {
    const cores = `${cpus().length} cores`;
    return [
      { what: `Ed25519 verifications, sodium, ${cores}`, value: await rawRate(context), unit: "/s" },
      {
        what: `Ed25519 verifications, node:crypto, ${cores}`,
        value: await rawRate(context, "node"),
        unit: "/s",
      },
    ];
  },
};
