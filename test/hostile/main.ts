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
import { parseArgs } from "node:util";
import { toHex } from "@tallystick/evidence";
import { makeCase, runCase } from "./case.ts";
import { attackTable } from "./corpus.ts";
import { MQTT_TARGET, runBroker, showPackets } from "./mqtt.ts";
import { byCount, codesSeen, faultsOf, type TargetTally } from "./tally.ts";
import { runCases } from "./supervise.ts";
import { makeTargets } from "./targets/all.ts";

const { values } = parseArgs({
  options: {
    cases: { type: "string", default: "200000" },
    seed: { type: "string", default: "1" },
    target: { type: "string" },
    case: { type: "string" },
    minutes: { type: "string" },
    json: { type: "boolean", default: false },
  },
});

/** @throws Error for what is no number from 0 */
function count(name: "cases" | "seed" | "case" | "minutes", text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 0) throw new Error(`--${name}: give a whole number`);
  return value;
}

const seed = count("seed", values.seed);
const say = (line: string): void => void process.stderr.write(`${line}\n`);

/** One case, and all that there is to know of it. */
async function again(name: string, number: number): Promise<void> {
  if (name === MQTT_TARGET) return showPackets(seed, number);
  const targets = await makeTargets(await attackTable());
  const target = targets.find((one) => one.name === name);
  if (target === undefined) throw new Error(`--target: one of ${targets.map((one) => one.name).join(", ")}`);
  const { seed: from, how, bytes } = makeCase(target, seed, number);
  console.log(`${name}, seed ${seed}, case ${number}: from ${from.name}, ${how}`);
  console.log(`from ${toHex(from.bytes)}`);
  console.log(`made ${toHex(bytes)}`);
  console.log(await runCase(target, seed, number));
}

/** A share of the cases goes to the broker, which answers over sockets. */
const BROKER_SHARE = 0.03;

async function all(): Promise<readonly TargetTally[]> {
  const cases = count("cases", values.cases);
  const only = values.target;
  const minutes = values.minutes === undefined ? undefined : count("minutes", values.minutes);
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
  return [
    ...(await runCases({ seed, cases: cases - packets, attacked, say, ...chosen, ...within(0.9) })),
    ...broker,
  ];
}

function report(targets: readonly TargetTally[], seconds: number): void {
  const faults = targets.flatMap(faultsOf);
  const cases = targets.reduce((sum, target) => sum + target.cases, 0);
  if (values.json) {
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

const startedMs = performance.now();
if (values.case !== undefined && values.target !== undefined)
  await again(values.target, count("case", values.case));
else report(await all(), (performance.now() - startedMs) / 1000);
