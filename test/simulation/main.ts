/**
 * `npm run simulate`: one seed with its trace, or many.
 *
 *     npm run simulate -- --seed 4711              what happens in it, line by line, and whether all invariants hold
 *     npm run simulate -- --seeds 100000           from 1 on, or --from; failing seeds are printed
 *
 * Exit: 0 where every invariant held, 1 where one didn't, 2 for a wrong option.
 *
 * @module
 */
import { availableParallelism } from "node:os";
import process from "node:process";
import { readOptions, wholeOf, withUsage } from "../support/options.ts";
import { runSeeds } from "./runner.ts";
import { simulate } from "./simulate.ts";
import type { Told } from "./worker.ts";

const USAGE = `usage: npm run simulate -- [--seed N | --seeds N] [--from N] [--threads N] [--json]

Agents, broker and anchor in one process, with time, network and disk in the run's hands.
  --seed N     one world, with its trace
  --seeds N    so many (1000), --from N (1), on --threads N (one a core)
  --json       the report as JSON
`;

const OPTIONS = {
  seed: { type: "string" },
  seeds: { type: "string", default: "1000" },
  from: { type: "string", default: "1" },
  threads: { type: "string", default: String(availableParallelism()) },
  json: { type: "boolean", default: false },
} as const;

type Values = ReturnType<typeof readOptions<typeof OPTIONS>>;

async function one(seed: number, values: Values): Promise<number> {
  const trace: string[] = [];
  const { violation, faults, ...outcome } = await simulate(seed, { trace });
  const { cause, ...found } = violation ?? {};
  const report = { ...outcome, faults: Object.fromEntries(faults), violation: violation && found };
  process.stdout.write(
    values.json
      ? `${JSON.stringify(report)}\n`
      : `${trace.join("\n")}\n\n${JSON.stringify(report, null, 2)}\n`,
  );
  if (cause instanceof Error) process.stderr.write(`${cause.stack ?? cause.message}\n`);
  return violation === undefined ? 0 : 1;
}

async function many(values: Values): Promise<number> {
  const seeds = {
    from: wholeOf("from", values.from),
    count: wholeOf("seeds", values.seeds, 1),
    threads: wholeOf("threads", values.threads, 1),
  };
  const total = {
    seeds: 0,
    steps: 0,
    simulatedMs: 0,
    sealed: 0,
    entries: 0,
    crashes: 0,
    dropped: 0,
    forks: 0,
  };
  const faults = new Map<string, number>();
  const failing: Pick<Told, "seed" | "violation">[] = [];
  const startMs = performance.now();
  await runSeeds(seeds, (told) => {
    total.seeds += 1;
    for (const name of ["steps", "simulatedMs", "sealed", "entries", "crashes", "dropped", "forks"] as const)
      total[name] += told[name];
    for (const [name, count] of told.faults) faults.set(name, (faults.get(name) ?? 0) + count);
    if (told.violation !== undefined) {
      failing.push({ seed: told.seed, violation: told.violation });
      if (!values.json) process.stdout.write(lineOf(told));
    }
    if (process.stderr.isTTY)
      process.stderr.write(`\r${total.seeds} of ${seeds.count}, ${failing.length} failing `);
  });
  if (process.stderr.isTTY) process.stderr.write("\n");
  const seconds = Math.round(performance.now() - startMs) / 1000;
  const report = { ...total, seconds, faults: Object.fromEntries(faults), failing };
  process.stdout.write(values.json ? `${JSON.stringify(report)}\n` : `${JSON.stringify(report, null, 2)}\n`);
  return failing.length === 0 ? 0 : 1;
}

function lineOf({ seed, violation }: Told): string {
  return `seed ${seed}: ${violation?.invariant}: ${violation?.text}; npm run simulate -- --seed ${seed}\n`;
}

await withUsage(USAGE, async () => {
  const values = readOptions(OPTIONS);
  const { seed } = values;
  process.exitCode = seed === undefined ? await many(values) : await one(wholeOf("seed", seed), values);
});
