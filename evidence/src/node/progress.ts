/**
 * A line on the terminal for what takes longer than two seconds; nothing in pipes, files and CI.
 *
 * @module
 */
import process from "node:process";

const QUIET_MS = 2000;
const EVERY_MS = 200;

/** Says how far a piece of work has come. Call `update` as often as you like, `done` once, also after a failure. */
export interface Progress {
  update(done: number, total: number, unit: string): void;
  done(): void;
}

/** Progress on stderr where that is a terminal. `now` gives milliseconds of a clock that never jumps. */
export function terminalProgress(
  label: string,
  stream: NodeJS.WriteStream = process.stderr,
  now: () => number = () => performance.now(),
): Progress {
  const start = now();
  let next = start + QUIET_MS;
  let shown = false;
  return {
    update(done, total, unit) {
      if (!stream.isTTY || now() < next) return;
      next = now() + EVERY_MS;
      shown = true;
      const share = total > 0 ? ` (${Math.floor((100 * done) / total)} %)` : "";
      const rate = Math.round((1000 * done) / Math.max(1, now() - start));
      stream.write(`\r\u001b[K${label}: ${done} of ${total} ${unit}${share}, ${rate}/s`);
    },
    done() {
      if (shown) stream.write("\r\u001b[K");
    },
  };
}

/** For callers that show nothing. */
export const noProgress: Progress = { update: () => undefined, done: () => undefined };
