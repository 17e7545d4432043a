/**
 * Runs `tally-audit` as its users do: a process of its own.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import process from "node:process";

const MAIN = join(import.meta.dirname, "..", "..", "audit", "src", "main.ts");

export type Ran = { readonly exit: number; readonly stdout: string; readonly stderr: string };

/** Runs it to its end, at most a minute. */
export const auditCommand = (...args: readonly string[]): Promise<Ran> =>
  new Promise((resolve) => {
    execFile(process.execPath, [MAIN, ...args], { timeout: 60_000 }, (error, stdout, stderr) => {
      resolve({
        exit: typeof error?.code === "number" ? error.code : error === null ? 0 : -1,
        stdout,
        stderr,
      });
    });
  });
