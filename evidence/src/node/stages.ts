/**
 * Start and stop of a long-running process: all its stages run until one fails or the operator asks to stop, then all drain.
 *
 * @module
 */
import process from "node:process";

/** A long-running part of a process. Ends, drained, soon after the signal fires. */
export type Stage = (signal: AbortSignal) => Promise<void>;

/** Exit code where a stage did not drain in time. */
const EXIT_OVERDUE = 70;

/**
 * Runs all stages and returns once all have drained. One stage down takes all down: half a process looks healthy and is not.
 *
 * @param graceMs - a process that has not drained this long after the signal is ended with exit code 70
 * @throws what the failed stage threw; an AggregateError where several did
 */
export async function runStages(stages: readonly Stage[], graceMs: number): Promise<void> {
  const stop = new AbortController();
  const onSignal = (name: string): void => stop.abort(new Error(`received ${name}`));
  process.once("SIGINT", onSignal).once("SIGTERM", onSignal);
  let overdue: NodeJS.Timeout | undefined;
  stop.signal.addEventListener("abort", () => {
    overdue = setTimeout(() => process.exit(EXIT_OVERDUE), graceMs);
  });
  try {
    await runTogether(stages, stop);
  } finally {
    clearTimeout(overdue);
    process.off("SIGINT", onSignal).off("SIGTERM", onSignal);
  }
}

/** As {@link runStages}, where the caller holds what stops them. */
export async function runTogether(stages: readonly Stage[], stop: AbortController): Promise<void> {
  const guarded = stages.map(async (stage) => {
    try {
      await stage(stop.signal);
      // A stage that ends early without a fault still leaves the others half a process.
      if (!stop.signal.aborted) stop.abort(new Error("a stage ended"));
    } catch (error) {
      stop.abort(error);
      throw error;
    }
  });
  const outcomes = await Promise.allSettled(guarded);
  // One fault, as of the disk, often ends several stages.
  const failures = [
    ...new Set(outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []))),
  ];
  if (failures.length === 1) throw failures[0];
  if (failures.length > 1) throw new AggregateError(failures, "several stages failed");
}
