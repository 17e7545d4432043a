/**
 * A thread that runs cases: given a target and a stretch of numbers, it answers with what came out how often, the slowest case and the failures.
 *
 * @module
 */
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { parentPort, workerData } from "node:worker_threads";
import { runCase } from "./case.ts";
import type { Handed } from "./corpus.ts";
import { CaseClock } from "./progress.ts";
import type { Target } from "./target.ts";

/** A module of targets, as `targets/all.ts` is one. */
export type TargetModule = {
  readonly makeTargets: (attacked: readonly Handed[]) => Promise<readonly Target[]>;
};

export type WorkerData = {
  /** Address of the {@link TargetModule}. */
  readonly module: string;
  readonly seed: number;
  readonly attacked: readonly Handed[];
  readonly clock: SharedArrayBuffer;
};

export type Stretch = { readonly target: number; readonly from: number; readonly to: number };

/** What a target is, for those who can't have the functions. */
export type TargetInfo = Pick<Target, "name" | "weight" | "expected">;

export type Failure = { readonly target: string; readonly number: number; readonly message: string };

export type FromWorker =
  | { readonly kind: "ready"; readonly targets: readonly TargetInfo[] }
  | {
      readonly kind: "done";
      readonly stretch: Stretch;
      readonly outcomes: ReadonlyMap<string, number>;
      readonly slowest: { readonly number: number; readonly ms: number };
      readonly failures: readonly Failure[];
      /** What this thread keeps after a collection of garbage: its heap and the buffers that belong to it. */
      readonly keptBytes: number;
    };

/** Failures that a stretch tells of; one is enough to fail the run. */
const MOST_FAILURES = 5;

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Collected twice: the first collection only begins to give back the memory of buffers that it finds unused. */
function keptBytes(): number {
  collectGarbage();
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function runStretch(
  target: Target,
  seed: number,
  stretch: Stretch,
  clock: CaseClock,
): Promise<FromWorker> {
  const outcomes = new Map<string, number>();
  const failures: Failure[] = [];
  let slowest = { number: stretch.from, ms: 0 };
  for (let number = stretch.from; number < stretch.to; number++) {
    clock.begin(stretch.target, number);
    const startedMs = performance.now();
    try {
      const outcome = await runCase(target, seed, number);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      if (failures.length < MOST_FAILURES) failures.push({ target: target.name, number, message });
    }
    const ms = performance.now() - startedMs;
    if (ms > slowest.ms) slowest = { number, ms };
  }
  clock.idle();
  return { kind: "done", stretch, outcomes, slowest, failures, keptBytes: keptBytes() };
}

const { module, seed, attacked, clock: memory } = workerData as WorkerData;
const clock = new CaseClock(memory);
clock.idle();
Error.stackTraceLimit = 0; // thousands of refusals a second, whose stacks nobody reads
const { makeTargets } = (await import(module)) as TargetModule;
const targets = await makeTargets(attacked);
const say = (message: FromWorker): void => parentPort?.postMessage(message, []);
parentPort?.on("message", (stretch: Stretch) => {
  const target = targets[stretch.target];
  if (target === undefined) throw new Error("no such target");
  void runStretch(target, seed, stretch, clock).then(say);
});
say({ kind: "ready", targets: targets.map(({ name, weight, expected }) => ({ name, weight, expected })) });
