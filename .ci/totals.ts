/**
 * Adds up the results of the test runs and prints them as one line. Fails where a run left no results, or none of its tests ran.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";

type Results = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly success: boolean;
};

const runs = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, "utf8")) as Results);
const sum = (key: "numPassedTests" | "numFailedTests" | "numPendingTests"): number =>
  runs.reduce((total, run) => total + run[key], 0);

const failed = sum("numFailedTests");
const skipped = sum("numPendingTests");
console.log(`${sum("numPassedTests")} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = runs.length === 2 && runs.every((run) => run.success && run.numPassedTests > 0) ? 0 : 1;
