/**
 * One thread of seeds.
 *
 * @module
 */
import { parentPort, workerData } from "node:worker_threads";
import type { Lane } from "./runner.ts";
import { SABOTAGES } from "./sabotage.ts";
import { simulate, type Outcome } from "./simulate.ts";
import type { Sabotage } from "./world.ts";

/** An outcome as it is told: without what can't leave the thread. */
export type Told = Omit<Outcome, "violation"> & {
  readonly violation: { readonly invariant: string; readonly text: string } | undefined;
};

const { from, step, end, sabotage } = workerData as Lane;
const options = sabotage === undefined ? {} : { sabotage: sabotaged(sabotage) };

for (let seed = from; seed < end; seed += step) {
  const { violation, ...outcome } = await simulate(seed, options);
  const told: Told = {
    ...outcome,
    violation: violation === undefined ? undefined : { invariant: violation.invariant, text: violation.text },
  };
  parentPort?.postMessage(told, []);
  if (sabotage !== undefined && violation !== undefined) break;
}

function sabotaged(name: string): Sabotage {
  const found = SABOTAGES[name];
  if (found === undefined) throw new Error(`no sabotage ${name}`);
  return found.sabotage;
}
