/**
 * `npm run city`: makes the city in a folder.
 *
 * @module
 */
import process from "node:process";
import { mkdirSync, readdirSync } from "node:fs";
import { terminalProgress } from "@tallystick/evidence/node";
import { OptionFault, readOptions, wholeOf, withUsage } from "../support/options.ts";
import { makeCity } from "./city.ts";
import { writeExports } from "./exports/all.ts";
import { LEAST_DAYS, LEAST_METERS } from "./plan.ts";

const USAGE = `npm run city -- -o DIR [--meters 200] [--lanes 20] [--days 30] [--seed 1]

Makes a city with planted faults: a log, billing exports, and what an audit has to find.
`;

await withUsage(USAGE, async () => {
  const given = readOptions({
    output: { type: "string", short: "o" },
    meters: { type: "string", default: "200" },
    lanes: { type: "string", default: "20" },
    days: { type: "string", default: "30" },
    seed: { type: "string", default: "1" },
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
  const progress = terminalProgress("city");
  const startedMs = performance.now();
  const city = await makeCity(output, options, (done, total) => progress.update(done, total, "s"));
  const { size, planted } = city;
  const exports = writeExports(city);
  const lines = exports.reduce((sum, one) => sum + one.lines.length, 0);
  progress.done();
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  process.stdout.write(
    `${size} entries, ${lines} lines in ${exports.length} exports, ${planted.length} faults planted, in ${seconds} s\n`,
  );
});
