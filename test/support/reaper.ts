/**
 * Outlives a test to clean up after it: ends the processes that it was told of and removes their folder, once nobody holds its standard input any more.
 * That is so however the test's process ended, and the programs' own process groups would live on.
 *
 * Lines on standard input: `+PID` started, `-PID` ended.
 *
 * @module
 */
import { rmSync } from "node:fs";
import process from "node:process";
import { createInterface } from "node:readline";

const [, , folder] = process.argv;
const running = new Set<number>();

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => {}); // they are meant for the test
for await (const line of createInterface({ input: process.stdin })) {
  const pid = Number(line.slice(1));
  if (line.startsWith("+")) running.add(pid);
  else running.delete(pid);
}
for (const pid of running) {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // it has ended meanwhile
  }
}
if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 10 });
