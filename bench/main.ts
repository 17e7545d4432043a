/**
 * `npm run bench`: what the budgets (docs/performance.md) say, and what this machine does.
 *
 * Nothing here is a test: a figure that misses its budget is printed as it is, and the exit code is 0. It is 1 where something could
 * not be measured at all.
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { loadavg, tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import type { Context, Stage } from "./figures.ts";
import { describeMachine } from "./machine.ts";
import { readStages } from "./profile-stages.ts";
import { jsonReport, textReport, type Result } from "./report.ts";
import { ROWS } from "./rows.ts";

const USAGE = `usage: npm run bench -- [ROW…] [--quick] [--json] [--dir DIR] [--profile DIR]

${ROWS.map(({ name, what }) => `  ${name.padEnd(12)} ${what}`).join("\n")}

Without a ROW: all of them.
  --quick        short stages: figures of a first impression, in about five minutes
  --json         the table as JSON
  --dir DIR      where data is written: the disk there is part of what is measured (default: the folder for temporary files)
  --profile DIR  V8 profiles of broker, anchor and load for the rows that run them, and a summary: all of it is slower then
`;

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      json: { type: "boolean", default: false },
      help: { type: "boolean", short: "h", default: false },
      dir: { type: "string", default: tmpdir() },
      profile: { type: "string" },
    },
  });
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  const unknown = positionals.filter((name) => !ROWS.some((row) => row.name === name));
  if (unknown.length > 0) {
    process.stderr.write(`bench: no such row: ${unknown.join(", ")}\n\n${USAGE}`);
    return 2;
  }
  const rows = positionals.length === 0 ? ROWS : ROWS.filter(({ name }) => positionals.includes(name));
  const folder = mkdtempSync(join(values.dir, "tally-bench-"));
  const machine = describeMachine(folder, args);
  const ends: (() => Promise<void>)[] = [];
  const stages: Stage[] = [];
  const made = new Map<string, Promise<unknown>>();
  const startedMs = performance.now();
  const context: Context = {
    folder,
    quick: values.quick,
    profiles: values.profile,
    say: (text) => {
      process.stderr.write(`${((performance.now() - startedMs) / 1000).toFixed(0).padStart(5)} s  ${text}\n`);
    },
    once<T>(name: string, make: () => Promise<T>) {
      const known = made.get(name) ?? make();
      made.set(name, known);
      return known as Promise<T>;
    },
    stage: (stage) => void stages.push(stage),
    atEnd: (end) => void ends.unshift(end),
  };
  const results: Result[] = [];
  try {
    for (const row of rows) {
      context.say(`${row.name}: ${row.what}`);
      try {
        results.push({ row: row.name, figures: await row.run(context) });
      } catch (error) {
        results.push({
          row: row.name,
          figures: [],
          error: error instanceof Error ? error.message : String(error),
        });
      }
    }
  } finally {
    for (const end of ends) await end();
    rmSync(folder, { recursive: true, force: true });
  }
  const loadAfter = loadavg().map((one) => Math.round(one * 100) / 100);
  const profiles = values.profile === undefined ? [] : readStages(values.profile, stages);
  const report = { machine, quick: values.quick, loadAfter, results, profiles };
  process.stdout.write(values.json ? jsonReport(report) : textReport(report));
  return results.some(({ error }) => error !== undefined) ? 1 : 0;
}

process.exitCode = await main();
