/**
 * Adds up the results of the test runs and prints them as one line, below the names of what failed: a log may be kept by its end alone. Fails where a run left no
 * results, or none of its tests ran.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import process from "node:process";

type Results = {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly success: boolean;
  readonly testResults: readonly File[];
};

/** `message` where the file itself couldn't be run. */
type File = { readonly name: string; readonly status: string; readonly message: string } & {
  readonly assertionResults: readonly {
    readonly fullName: string;
    readonly status: string;
    readonly failureMessages: readonly string[];
  }[];
};

const firstLine = (text: string): string => text.split("\n", 1)[0] ?? "";

function* failuresOf({ name, status, message, assertionResults }: File): Generator<string> {
  const file = relative(process.cwd(), name);
  if (status === "failed" && message !== "") yield `${file}: ${firstLine(message)}`;
  for (const { fullName, status: outcome, failureMessages } of assertionResults)
    if (outcome === "failed") yield `${file} > ${fullName}: ${firstLine(failureMessages[0] ?? "")}`;
}

const runs = process.argv.slice(2).map((path) => JSON.parse(readFileSync(path, "utf8")) as Results);
const sum = (key: "numPassedTests" | "numFailedTests" | "numPendingTests"): number =>
  runs.reduce((total, run) => total + run[key], 0);

for (const failure of runs.flatMap(({ testResults }) => testResults.flatMap((file) => [...failuresOf(file)])))
  console.log(`failed: ${failure}`);
const failed = sum("numFailedTests");
const skipped = sum("numPendingTests");
console.log(`${sum("numPassedTests")} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}`);
process.exitCode = runs.length === 2 && runs.every((run) => run.success && run.numPassedTests > 0) ? 0 : 1;
