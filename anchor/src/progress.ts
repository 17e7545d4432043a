/**
 * A line on the terminal for what takes longer than two seconds; nothing in pipes, files and CI.
 *
 * @module
 */
import process from "node:process";

const QUIET_MS = 2000;
const EVERY_MS = 200;

/** Says how far a piece of work has come. Call `update` as often as you like, `done` once, also after a failure. */
export type Progress = {
  update(done: number, total: number, unit: string): void;
  done(): void;
};

/** Progress on stderr, where that is a terminal. */
export function terminalProgress(label: string, stream: NodeJS.WriteStream = process.stderr): Progress {
  let nextMs = performance.now() + QUIET_MS;
  let shown = false;
  return {
    update(done, total, unit) {
      if (!stream.isTTY || performance.now() < nextMs) return;
      nextMs = performance.now() + EVERY_MS;
      shown = true;
      const share = total > 0 ? ` (${Math.floor((100 * done) / total)} %)` : "";
      stream.write(`\r\u001b[K${label}: ${done} of ${total} ${unit}${share}`);
    },
    done() {
      if (shown) stream.write("\r\u001b[K");
    },
  };
}
