/**
 * One thread of seeds.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Lane } from "./runner.ts";
import { simulate, type Outcome } from "./simulate.ts";

/** An outcome as it is told: without what can't leave the thread. */
export type Told = Omit<Outcome, "violation"> & {
  readonly violation: { readonly invariant: string; readonly text: string } | undefined;
};

const { from, step, end } = workerData as Lane;
for (let seed = from; seed < end; seed += step) {
  const { violation, ...outcome } = await simulate(seed);
  const told: Told = {
    ...outcome,
    violation: violation === undefined ? undefined : { invariant: violation.invariant, text: violation.text },
  };
  parentPort?.postMessage(told);
}
