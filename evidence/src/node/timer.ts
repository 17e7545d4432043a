/**
 * Waiting, as the programs' stages get it: from here and nowhere else, so that a test can own it.
 *
 * @module
 */

/** What waits for time to pass. */
export type Timer = {
  /** Calls `run` once, `waitMs` from now (at once if negative); the function returned cancels it. */
  after(waitMs: number, run: () => void): () => void;
};

/** The machine's own timers. */
export const systemTimer: Timer = {
  after(waitMs, run) {
    const timer = setTimeout(run, Math.max(0, waitMs));
    return () => clearTimeout(timer);
  },
};

/** Waits; ends early, without an error, when `signal` is aborted. */
export async function sleep(timer: Timer, waitMs: number, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      cancel();
      signal.removeEventListener("abort", done);
      resolve();
    };
    const cancel = timer.after(waitMs, done);
    signal.addEventListener("abort", done);
  });
}
