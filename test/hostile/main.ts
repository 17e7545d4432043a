/**
 * Hostile bytes: changed and invented inputs over every reader, and over the broker's sockets. Nothing crashes, hangs or grows, and what was
 * changed after it was signed is not accepted.
 *
 *     npm run hostile -- [--cases N] [--seed S] [--target T] [--case N] [--minutes M] [--json]
 *
 * A failure prints target, seed and number; with `--target T --seed S --case N` that one case is run again, and its bytes are printed.
 *
 * @module
 */
import process from "node:process";
import { toHex } from "@tallystick/evidence";
import { OptionFault, readOptions, wholeOf, withUsage } from "../support/options.ts";
import { makeCase, runCase } from "./case.ts";
import { attackTable } from "./corpus.ts";
import { MQTT_TARGET, runBroker, showPackets } from "./mqtt.ts";
import { byCount, codesSeen, faultsOf, type TargetTally } from "./tally.ts";
import { runCases } from "./supervise.ts";
import { makeTargets } from "./targets/all.ts";

const USAGE = `usage: npm run hostile -- [--cases N] [--seed S] [--target T] [--case N] [--minutes M] [--json]

Changed and invented inputs over every reader, and over the broker's sockets.
  --cases N    so many (200000), or as many as fit into --minutes M
  --seed S     repeat a run that was made with this number (1)
  --target T   only this reader; with --case N that one case again, its bytes printed
  --json       the report as JSON
`;

const OPTIONS = {
  cases: { type: "string", default: "200000" },
  seed: { type: "string", default: "1" },
  target: { type: "string" },
  case: { type: "string" },
  minutes: { type: "string" },
  json: { type: "boolean", default: false },
} as const;

type Values = ReturnType<typeof readOptions<typeof OPTIONS>>;

const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** One case, and all that there is to know of it. */
async function again(name: string, seed: number, number: number): Promise<void> {
  if (name === MQTT_TARGET) return showPackets(seed, number);
  const target = (await makeTargets(await attackTable())).find((one) => one.name === name);
  if (target === undefined) throw await noTarget();
  const { seed: from, how, bytes } = makeCase(target, seed, number);
  console.log(`${name}, seed ${seed}, case ${number}: from ${from.name}, ${how}`);
  console.log(`from ${toHex(from.bytes)}`);
  console.log(`made ${toHex(bytes)}`);
  console.log(await runCase(target, seed, number));
}

async function noTarget(): Promise<OptionFault> {
  const names = (await makeTargets([])).map(({ name }) => name);
  return new OptionFault(`--target: give one of ${[...names, MQTT_TARGET].join(", ")}`);
}

/** A share of the cases goes to the broker, which answers over sockets. */
const BROKER_SHARE = 0.03;

async function all(seed: number, values: Values): Promise<readonly TargetTally[]> {
  const cases = wholeOf("cases", values.cases, 1);
  const only = values.target;
  const minutes = values.minutes === undefined ? undefined : wholeOf("minutes", values.minutes, 1);
  /** Ends what begins now after a share of the minutes. */
  const within = (share: number): { signal?: AbortSignal } =>
    minutes === undefined ? {} : { signal: AbortSignal.timeout(60_000 * minutes * share) };
  const packets = only === MQTT_TARGET ? cases : only === undefined ? Math.round(cases * BROKER_SHARE) : 0;
  const broker =
    packets === 0
      ? []
      : [await runBroker({ seed, cases: packets, say, ...within(only === undefined ? 0.1 : 1) })];
  if (only === MQTT_TARGET) return broker;
  say("making the inputs to begin from");
  const attacked = await attackTable();
  const chosen = only === undefined ? {} : { only };
  const ran = await runCases({ seed, cases: cases - packets, attacked, say, ...chosen, ...within(0.9) });
  if (ran.length === 0) throw await noTarget();
  return [...ran, ...broker];
}

function report(targets: readonly TargetTally[], seed: number, seconds: number, json: boolean): void {
  const faults = targets.flatMap(faultsOf);
  const cases = targets.reduce((sum, target) => sum + target.cases, 0);
  if (json) {
    const shown = targets.map((target) => ({
      ...target,
      outcomes: Object.fromEntries(byCount(target.outcomes)),
    }));
    console.log(JSON.stringify({ seed, cases, seconds, faults, targets: shown }));
  } else {
    for (const target of targets) {
      const { name, outcomes, slowest } = target;
      console.log(
        `${name}: ${target.cases} cases, ${outcomes.size} outcomes, slowest ${slowest.ms.toFixed(0)} ms (case ${slowest.number})`,
      );
      for (const [outcome, times] of byCount(outcomes)) console.log(`  ${times} ${outcome}`);
    }
    for (const fault of faults) console.log(`FAULT seed ${seed}: ${fault}`);
    console.log(
      `${cases} cases in ${seconds.toFixed(0)} s, seed ${seed}, ${codesSeen(targets)} codes, ${faults.length} faults`,
    );
  }
  if (faults.length > 0) process.exitCode = 1;
}

await withUsage(USAGE, async () => {
  const values = readOptions(OPTIONS);
  const seed = wholeOf("seed", values.seed);
  const startedMs = performance.now();
  if (values.case !== undefined && values.target !== undefined)
    await again(values.target, seed, wholeOf("case", values.case));
  else report(await all(seed, values), seed, (performance.now() - startedMs) / 1000, values.json);
});
