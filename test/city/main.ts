/**
 * `npm run city`: makes the city in a folder, has it audited by the programs themselves, and lays what they found beside the plan.
 *
 * @module
 */
import { join } from "node:path";
import process from "node:process";
import { mkdirSync, readdirSync } from "node:fs";
import { terminalProgress } from "@tallystick/evidence/node";
import { OptionFault, readOptions, wholeOf, withUsage } from "../support/options.ts";
import { auditCity, type Audited } from "./audit.ts";
import { makeCity, type MadeCity } from "./city.ts";
import { writeExports, type Export } from "./exports/all.ts";
import { LEAST_DAYS, LEAST_METERS } from "./plan.ts";

const USAGE = `npm run city -- -o DIR [--meters 200] [--lanes 20] [--days 30] [--seed 1] [--only-make]

Makes a city with planted faults: a log, billing exports with their maps, and what an audit has to find. Then the anchor serves it, the auditor
takes a case and judges it, and both are compared. Exit code 1 where anything was missed, or found beyond the plan.
  -o DIR        an empty folder, or a new one
  --only-make   no audit
`;

await withUsage(USAGE, async () => {
  const given = readOptions({
    output: { type: "string", short: "o" },
    meters: { type: "string", default: "200" },
    lanes: { type: "string", default: "20" },
    days: { type: "string", default: "30" },
    seed: { type: "string", default: "1" },
    "only-make": { type: "boolean", default: false },
  });
  const { output } = given;
  if (output === undefined) throw new OptionFault("-o DIR: where to");
  mkdirSync(output, { recursive: true });
  if (readdirSync(output).length > 0) throw new OptionFault(`${output}: not empty`);
  const options = {
    meters: wholeOf("meters", given.meters, LEAST_METERS),
    lanes: wholeOf("lanes", given.lanes, 3),
    days: wholeOf("days", given.days, LEAST_DAYS),
    seed: wholeOf("seed", given.seed),
  };
  process.env["XDG_CACHE_HOME"] = join(output, "cache"); // facts of its case
  const progress = terminalProgress("city");
  const startedMs = performance.now();
  const city = await makeCity(output, options, (done, total) => progress.update(done, total, "s"));
  progress.done();
  const exports = writeExports(city);
  say(`${(performance.now() - startedMs).toFixed(0)} ms  made: ${whatOf(city, exports)}`);
  if (given["only-make"]) return;
  const audited = await auditCity(city, exports, ({ what, seconds, difference: { missed, beyond } }) => {
    const told =
      missed.length + beyond.length === 0 ? "" : `: ${missed.length} missed, ${beyond.length} beyond`;
    say(`${(seconds * 1000).toFixed(0)} ms  ${what}${told}`);
  });
  for (const one of audited) tell(one);
  const wrong = audited.some(({ difference: { missed, beyond } }) => missed.length + beyond.length > 0);
  say(wrong ? "city: NOT as planned" : "city: every planted fault was found, and nothing else");
  if (wrong) process.exitCode = 1;
});

function whatOf({ size, planted, trips }: MadeCity, exports: readonly Export[]): string {
  const lines = exports.reduce((sum, one) => sum + one.lines.length, 0);
  const findings = planted.reduce((sum, one) => sum + one.findings.length, 0);
  return `${size} entries, ${trips.length} trips, ${lines} lines in ${exports.length} exports; planted are ${findings} findings of ${planted.length} faults`;
}

function tell({ what, difference: { missed, beyond } }: Audited): void {
  for (const one of missed) say(`  ${what} missed ${one}`);
  for (const one of beyond) say(`  ${what} found, and it wasn't planted: ${one}`);
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
