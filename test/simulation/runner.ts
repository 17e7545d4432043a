/**
 * Many seeds, over several threads.
 *
 * @module
 */
import { Worker } from "node:worker_threads";
import type { Told } from "./worker.ts";

export type Seeds = {
  readonly from: number;
  readonly count: number;
  readonly threads: number;
  /** One of {@link SABOTAGES}: the first seed that notices it is the last one. */
  readonly sabotage?: string;
};

/** A seed that says nothing for so long hangs; others share its thread. */
const MAX_SILENCE_MS = 180_000;

/**
 * Runs them all, in no particular order.
 *
 * @param onTold - called with each seed's outcome
 * @throws Error where a thread dies or hangs, with the seed that it was at
 */
export async function runSeeds(
  { from, count, threads, sabotage }: Seeds,
  onTold: (told: Told) => void,
): Promise<void> {
  const lanes = Math.min(threads, count);
  const running = Array.from({ length: lanes }, (_, lane) => {
    const seeds = { from: from + lane, step: lanes, end: from + count, sabotage };
    return runLane(seeds, onTold);
  });
  await Promise.all(running);
}

export type Lane = {
  readonly from: number;
  readonly step: number;
  readonly end: number;
  readonly sabotage: string | undefined;
};

async function runLane(lane: Lane, onTold: (told: Told) => void): Promise<void> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { workerData: lane });
  let next = lane.from;
  let watch: NodeJS.Timeout | undefined;
  try {
    await new Promise<void>((resolve, reject) => {
      const listen = (): void => {
        clearTimeout(watch);
        watch = setTimeout(() => reject(new Error(`seed ${next} says nothing`)), MAX_SILENCE_MS);
      };
      listen();
      worker.on("message", (told: Told) => {
        const isOver = lane.sabotage !== undefined && told.violation !== undefined;
        next = isOver ? lane.end : told.seed + lane.step;
        listen();
        onTold(told);
      });
      worker.on("error", (cause) => reject(new Error(`seed ${next} ended its thread`, { cause })));
      worker.on("exit", () =>
        next >= lane.end ? resolve() : reject(new Error(`seed ${next} ended its thread`)),
      );
    });
  } finally {
    clearTimeout(watch);
    await worker.terminate();
  }
}
