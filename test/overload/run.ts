/**
 * Overload: what the town can sustain is measured, and three times that is offered; then, under load, its programs are restarted, the anchor's disk gets
 * slow, and full. Nothing is lost, memory stays within its bounds, and latency comes back to what it was.
 *
 * Queues are made small, and batches too, so that the bounds are reached by what a test can offer, on the same two processors.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { parseCheckpoint, toHex } from "@tallystick/evidence";
import { issOf, signerOf } from "../../bench/load/keys.ts";
import type { PresignJob } from "../../bench/load/presign.ts";
import { Dice } from "../support/dice.ts";
import type { Seen } from "../support/fault-run.ts";
import { finding, WorldFault, type Finding } from "../support/finding.ts";
import { LogWitness } from "../support/log-witness.ts";
import { Registrar } from "../support/registrar.ts";
import { Town } from "../support/town.ts";
import { checkWorld } from "../support/world-check.ts";
import { agonies } from "./agonies.ts";
import { DEVICES, Fleet, type Latency } from "./fleet.ts";
import { MAX_MIB, MemoryWatch } from "./memory.ts";

export type OverloadOptions = {
  readonly seed: number;
  /** How long three times the sustainable rate is offered. */
  readonly overloadMs: number;
  /** Whether the anchor's disk can be made slow and full: that needs strace. */
  readonly disk: boolean;
  readonly say: (what: string) => void;
};

/** Of a service's queue a thirty-second, 32 messages, may wait to be acknowledged: with fewer it would be the broker that sets the rate. */
const SETTINGS = {
  broker: { queues: { service: { maxMessages: 1024, maxBytes: 4 << 20 } } },
  anchor: {
    broker: { settleMs: 50 },
    batch: { maxItems: 64, maxWaitMs: 50 },
    pool: { maxItems: 512 },
    log: { level: "warn" },
  },
};

/** The sustainable rate is that of so long, after so long. */
const MEASURE_MS = 5000;
const WARM_UP_MS = 2000;
const CALIBRATION_STATEMENTS = 60_000;
const QUIET_MS = 5000;
/** The rate at which latency is called normal, as part of the sustainable one. */
const NORMAL = 0.5;
const OVERLOAD = 3;
/** Latency has to be normal again within so long. */
const RECOVERY_MS = 60_000;
const LOOK_MS = 2000;
/** Normal: at most so many times what it was, and so much more, for a machine that does other things too. */
const NORMAL_TIMES = 2;
const NORMAL_MORE_MS = 250;
/** Longest time for the last receipts. */
const DRAIN_MS = 120_000;
/** Statements for restarts and disks, in seconds at the sustainable rate. */
const AGONY_S = 60;
const STORY_MS = 15 * 60_000;

/** @throws WorldFault where something does not hold */
export async function runOverload(options: OverloadOptions): Promise<Seen> {
  let seen: Seen = {};
  const story = async (town: Town): Promise<void> => {
    const witness = new LogWitness(town.logVkey);
    await enrolAll(town);
    const memory = new MemoryWatch(town);
    const fleet = new Fleet(town.mqttPort, witness);
    try {
      await town.until("all devices are connected", () => fleet.connected);
      seen = await tell({ town, witness, fleet, memory }, options);
    } finally {
      fleet.end();
      memory.end();
      witness.end();
    }
  };
  await Town.run(story, SETTINGS, options.overloadMs * 2 + STORY_MS);
  return seen;
}

type Scene = {
  readonly town: Town;
  readonly witness: LogWitness;
  readonly fleet: Fleet;
  readonly memory: MemoryWatch;
};

async function tell(scene: Scene, { overloadMs, seed, disk, say }: OverloadOptions): Promise<Seen> {
  const { town, fleet, memory } = scene;
  say("signing, then measuring what can be sustained");
  await fleet.load(CALIBRATION_STATEMENTS, treeOf(town));
  const rate = await sustainableRate(fleet);
  await drained(scene);

  say(`${rate.toFixed(0)} statements a second can be sustained; signing for the rest`);
  const seconds = (overloadMs / 1000) * 1.5 + (NORMAL * (QUIET_MS + RECOVERY_MS)) / 1000 + AGONY_S;
  await fleet.load(rate * seconds + DEVICES * 400, treeOf(town));
  fleet.offer(rate * NORMAL);
  await delay(WARM_UP_MS);
  const before = await fleet.latency(QUIET_MS);

  say(`offering ${(OVERLOAD * rate).toFixed(0)} a second for ${overloadMs / 1000} s`);
  const from = fleet.counts;
  fleet.offer(OVERLOAD * rate);
  await delay(overloadMs);
  const to = fleet.counts;
  if (fleet.ranOut) throw new Error("the devices had not enough to send");
  const atPeak = { ...memory.peaks };
  fleet.offer(rate * NORMAL);
  const recovered = await recovery(fleet, before, say);
  const findings = recovered.findings;

  const told = await agonies(scene, { rate: rate * NORMAL, dice: new Dice(seed), disk, say });
  say("the last receipts");
  fleet.offer(0);
  await drained(scene);
  findings.push(...(await worldFindings(scene)), ...memoryFindings(memory));
  if (findings.length > 0) throw new WorldFault(findings);
  const { sent } = fleet.counts;
  const overS = overloadMs / 1000;
  return {
    "sustainable, statements/s": Math.round(rate),
    "offered in overload, statements/s": Math.round((to.offered - from.offered) / overS),
    "receipted in overload, statements/s": Math.round((to.receipted - from.receipted) / overS),
    "latency before, p50 / p99 ms": `${before.p50.toFixed(0)} / ${before.p99.toFixed(0)}`,
    "latency normal again after, s": (recovered.afterMs / 1000).toFixed(0),
    "peak memory in overload, broker / anchor MiB": `${atPeak.broker.toFixed(0)} / ${atPeak.anchor.toFixed(0)}`,
    "peak memory in all, broker / anchor MiB": `${memory.peaks.broker.toFixed(0)} / ${memory.peaks.anchor.toFixed(0)}`,
    ...told,
    "statements sent, each in the log once": sent,
  };
}

/** What comes back while every device has all under way that it may have. */
async function sustainableRate(fleet: Fleet): Promise<number> {
  fleet.offer(CALIBRATION_STATEMENTS);
  await delay(WARM_UP_MS);
  const from = fleet.counts.receipted;
  const startMs = performance.now();
  while (performance.now() - startMs < MEASURE_MS && !fleet.ranOut) await delay(50);
  const rate = ((fleet.counts.receipted - from) * 1000) / (performance.now() - startMs);
  fleet.offer(0);
  if (!(rate > 0)) throw new Error("nothing was receipted");
  return rate;
}

async function recovery(
  fleet: Fleet,
  before: Latency,
  say: (what: string) => void,
): Promise<{ readonly afterMs: number; readonly findings: Finding[] }> {
  const startMs = performance.now();
  const bound = NORMAL_TIMES * before.p99 + NORMAL_MORE_MS;
  for (;;) {
    const now = await fleet.latency(LOOK_MS);
    const afterMs = performance.now() - startMs;
    say(
      `latency p99 ${now.p99.toFixed(0)} ms, ${(afterMs / 1000).toFixed(0)} s after the end; it was ${before.p99.toFixed(0)} ms`,
    );
    if (now.count > 0 && now.p99 <= bound) return { afterMs, findings: [] };
    if (afterMs > RECOVERY_MS) {
      const text = `p99 is ${now.p99.toFixed(0)} ms ${RECOVERY_MS / 1000} s after the end; before it was ${before.p99.toFixed(0)} ms`;
      return { afterMs, findings: [finding("F8", text)] };
    }
  }
}

/** F1: everything that was sent has its receipt. */
async function drained({ town, fleet }: Scene): Promise<void> {
  await town.until("each statement that was sent has its receipt", () => fleet.open === 0, DRAIN_MS);
}

async function worldFindings({ town, witness, fleet }: Scene): Promise<readonly Finding[]> {
  const { findings, size } = await checkWorld({ town, gateways: [], witness });
  const found = [...findings];
  const { sent } = fleet.counts;
  const expected = 1 + DEVICES + sent;
  if (size !== expected)
    found.push(finding("F1", `the log has ${size} entries; items and statements sent are ${expected}`));
  if (witness.seen.receipted !== sent)
    found.push(finding("F1", `${witness.seen.receipted} statements have receipts; ${sent} were sent`));
  for (const [code, count] of fleet.refusals) found.push(finding("F1", `refused ${count} times: ${code}`));
  return found;
}

const memoryFindings = ({ peaks }: MemoryWatch): readonly Finding[] =>
  (["broker", "anchor"] as const)
    .filter((name) => peaks[name] > MAX_MIB[name])
    .map((name) =>
      finding("F8", `the ${name} had ${peaks[name].toFixed(0)} MiB; its bound is ${MAX_MIB[name]}`),
    );

async function enrolAll(town: Town): Promise<void> {
  const registrar = new Registrar(town.path("anchor"));
  for (let i = 0; i < DEVICES; i++) await registrar.enrol(issOf(i), signerOf(i).key);
  await town.start("broker");
  await town.start("anchor");
  await town.until("the devices are enrolled", () => treeOf(town).size > DEVICES);
}

/** The newest published tree. */
function treeOf(town: Town): PresignJob["seen"] {
  const note = readFileSync(join(town.publicFolder, "checkpoint"), "utf8");
  const { size, root, origin } = parseCheckpoint(note.slice(0, note.indexOf("\n\n") + 1));
  return { size, root: toHex(root), origin };
}
