/**
 * The simulation: thousands of small worlds in which everything fails that can, each from a number. And proof that it can fail: programs that are broken on purpose.
 *
 * @module
 */
import { describe, expect, test } from "vitest";
import { runSeeds } from "../simulation/runner.ts";
import { SABOTAGES } from "../simulation/sabotage.ts";
import { simulate } from "../simulation/simulate.ts";
import type { Told } from "../simulation/worker.ts";

const SEEDS = 2000;
const THREADS = 2;
/** Seeds whose traces are compared. */
const REPLAYED = [1, 2, 3, 4, 5];
const TIMEOUT_MS = 900_000;

test(`every invariant holds in the worlds 1 to ${SEEDS}`, { timeout: TIMEOUT_MS }, async () => {
  const failing: string[] = [];
  const faults = new Map<string, number>();
  const total = { seeds: 0, entries: 0, crashes: 0, dropped: 0, forks: 0 };
  await runSeeds({ from: 1, count: SEEDS, threads: THREADS }, (told) => {
    total.seeds += 1;
    for (const name of ["entries", "crashes", "dropped", "forks"] as const) total[name] += told[name];
    for (const [name, count] of told.faults) faults.set(name, (faults.get(name) ?? 0) + count);
    if (told.violation !== undefined) failing.push(lineOf(told));
  });
  expect(failing).toEqual([]);
  expect(total.seeds).toBe(SEEDS);
  // A run in which nothing happened has tried nothing.
  expect(total.entries).toBeGreaterThan(50 * SEEDS);
  expect(total.crashes).toBeGreaterThan(SEEDS);
  expect(total.dropped).toBeGreaterThan(SEEDS / 10);
  expect(total.forks).toBeGreaterThan(SEEDS / 10);
  const happened = [...faults].filter(([, count]) => count >= SEEDS / 100).map(([name]) => name);
  expect(happened.length).toBeGreaterThanOrEqual(30);
  expect(happened).toContain("an older anchor");
});

const lineOf = ({ seed, violation }: Told): string =>
  `${violation?.invariant}: ${violation?.text}; npm run simulate -- --seed ${seed}`;

test.for(REPLAYED)("seed %i happens again, event by event", async (seed) => {
  const traces: string[][] = [[], []];
  for (const trace of traces) await simulate(seed, { trace });
  expect(traces[0]?.length).toBeGreaterThan(500);
  expect(traces[1]).toEqual(traces[0]);
});

describe("is noticed", () => {
  test.for(Object.entries(SABOTAGES))(
    "%s",
    { timeout: TIMEOUT_MS },
    async ([name, { within, invariants }]) => {
      const noticed: Told[] = [];
      await runSeeds({ from: 1, count: within, threads: 1, sabotage: name }, (told) => {
        if (told.violation !== undefined) noticed.push(told);
      });
      expect(noticed).toHaveLength(1);
      expect(invariants).toContain(noticed[0]?.violation?.invariant);
    },
  );
});
