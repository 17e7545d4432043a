/**
 * Time, as the stages get it: from here and nowhere else, so that a test can own it.
 *
 * @module
 */

export type Time = {
  /** Milliseconds since some fixed moment of this run; never steps. */
  nowMs(): number;
  /** Calls `run` once, `waitMs` from now; the function returned cancels it. */
  after(waitMs: number, run: () => void): () => void;
  /** Calls `run` as soon as whatever else is ready to run had its turn. */
  soon(run: () => void): void;
};

/** This machine's. */
export const machineTime: Time = {
  nowMs: () => performance.now(),
  after(waitMs, run) {
    const timer = setTimeout(run, waitMs);
    return () => clearTimeout(timer);
  },
  soon: (run) => void setImmediate(run),
};

/** Waits; ends early, without an error, when `signal` is aborted. */
export async function sleep(time: Pick<Time, "after">, waitMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = time.after(waitMs, done);
    signal.addEventListener("abort", done);
  });
}
