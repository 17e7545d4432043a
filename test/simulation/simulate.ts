/**
 * One seed from beginning to end: a world is made, things go wrong in it for a while, everything is healed, and when it has come to rest it is judged.
 *
 * @module
 */
import { drawFaults, heal } from "./faults.ts";
import { judge, judgeLog, unrest, untold } from "./judge.ts";
import { isPowerCut, wordsOf } from "./life.ts";
import { foundTown, type Town } from "./town.ts";
import type { Violation } from "./witness.ts";
import { World, type Sabotage } from "./world.ts";

export type Outcome = {
  readonly seed: number;
  readonly violation: Violation | undefined;
  /** Events, simulated milliseconds, statements sealed, entries of the log, lives that ended by force. */
  readonly steps: number;
  readonly simulatedMs: number;
  readonly sealed: number;
  readonly entries: number;
  readonly crashes: number;
  readonly dropped: number;
  readonly forks: number;
  readonly faults: ReadonlyMap<string, number>;
};

export type Options = { readonly trace?: string[]; readonly sabotage?: Sabotage };

/** How long a healed world may take to come to rest: the longest pauses between two tries, a few times over. */
const MAX_REST_MS = 2 * 3_600_000;
/** Events of one world; far more than any needs. */
const MAX_STEPS = 150_000;
/** Telegrams of each meter that are read after everything is healed. */
const READ_AGAIN = 3;
/** How often somebody looks whether it has. */
const LOOK_MS = 1000;
/** How often the bounds of queues are looked at. */
const BOUNDS_MS = 5000;

export async function simulate(seed: number, options: Options = {}): Promise<Outcome> {
  const world = new World(seed, options);
  const town = await foundTown(world);
  const { witness, schedule } = world;
  const stray = (error: unknown): void => {
    if (!isPowerCut(error)) witness.fail("F7", `nobody takes care of ${wordsOf(error)}`, error);
  };
  schedule.onThrow = stray;
  process.on("unhandledRejection", stray);
  try {
    await run(town);
  } finally {
    process.off("unhandledRejection", stray);
    for (const { store } of [town.node, ...town.devices, ...town.copies]) store.close();
  }
  return {
    seed,
    violation: witness.violation,
    steps: schedule.steps,
    simulatedMs: schedule.nowMs,
    sealed: witness.sealed.size,
    entries: witness.entries.length,
    crashes: witness.counts.crashes,
    dropped: witness.counts.dropped,
    forks: witness.counts.forks,
    faults: witness.faults,
  };
}

async function run(town: Town): Promise<void> {
  const { world, node, devices, endMs } = town;
  const { witness, schedule, broker } = world;
  const failed = (): boolean => {
    if (schedule.steps > MAX_STEPS) witness.fail("F8", `no end after ${MAX_STEPS} events`);
    return witness.violation !== undefined;
  };
  broker.onMessage = (message) => witness.sent(message);
  witness.begin(node);
  await begin(town);
  drawFaults(town);
  await schedule.run(endMs, failed);
  if (failed()) return;
  judgeLogIfWhole(town);
  world.note("everything is healed");
  heal(town);
  await recover(town, failed);
  for (const device of devices) for (const meter of device.meters.values()) meter.running = false;
  const reason = await rest(town, failed);
  if (failed()) return;
  if (reason !== undefined)
    return witness.fail("F8", `no rest after ${MAX_REST_MS / 3_600_000} hours: ${reason}`);
  await end(town, failed);
  if (!failed()) judge(world, node, devices);
}

/** Everything starts, and meters speak. */
async function begin(town: Town): Promise<void> {
  const { world, node, devices, endMs, tickMs } = town;
  const { schedule } = world;
  const random = world.random("begin");
  node.start();
  for (const device of devices) {
    const late = random.chance(0.2);
    if (late) {
      const atMs = random.between(0, endMs);
      schedule.after(atMs, `${device.name} is enrolled`, () => void node.enrol(device.iss));
    } else await node.enrol(device.iss);
    if (random.chance(0.2)) device.clock.boot(false);
    device.start();
    for (const meter of device.meters.values()) {
      const tick = (): void => {
        meter.tick();
        if (!meter.running) return;
        schedule.after(tickMs * random.between(0.5, 1.5), `${device.name}: telegram`, tick);
      };
      schedule.after(random.between(0, tickMs), `${device.name}: telegram`, tick);
    }
  }
  const look = (): void => {
    world.witness.bounds(node, [...devices, ...town.copies]);
    schedule.after(BOUNDS_MS, "bounds", look);
  };
  look();
}

/** In the middle of it all: what is published by now re-derives, unless some of it is still on its way, or its folder was lost a moment ago. */
function judgeLogIfWhole({ world, node }: Town): void {
  if (!node.mustStop && node.publishedSize === world.witness.entries.length) judgeLog(world, node);
}

/** Everybody runs, and has read each meter a few times: what was missing before is told with the next reading. */
async function recover({ world, node, devices }: Town, failed: () => boolean): Promise<void> {
  const { schedule, witness } = world;
  const endMs = schedule.nowMs + MAX_REST_MS;
  const untainted = devices.filter(({ tainted }) => !tainted);
  const meters = new Set(untainted.flatMap(({ meters: some }) => [...some.values()]));
  const before = new Map([...meters].map((meter) => [meter, meter.taken]));
  const isWhole = (): boolean =>
    node.running &&
    !node.mustStop &&
    devices.every(({ running }) => running) &&
    [...meters].every((meter) => meter.taken >= (before.get(meter) ?? 0) + READ_AGAIN);
  while (!isWhole() && schedule.nowMs < endMs && !failed())
    await schedule.run(schedule.nowMs + LOOK_MS, failed);
  if (!isWhole() && !failed()) witness.fail("F8", "the healed world doesn't go on");
}

async function rest(town: Town, failed: () => boolean): Promise<string | undefined> {
  const { world, node, devices } = town;
  const endMs = world.schedule.nowMs + MAX_REST_MS;
  let reason: string | undefined = "";
  while (world.schedule.nowMs < endMs && !failed()) {
    await world.schedule.run(world.schedule.nowMs + LOOK_MS, failed);
    reason = node.mustStop ? "an older anchor runs on" : unrest(node, devices);
    if (reason !== undefined) continue;
    const missing = devices
      .filter(({ tainted }) => !tainted)
      .flatMap((device) => untold(device).map((sub) => ({ device, sub })));
    if (missing.length === 0) return undefined;
    reason = `nobody tells what is missing in ${missing[0]?.device.name} ${missing[0]?.sub}`;
    for (const { device, sub } of missing) device.meters.get(sub)?.say();
  }
  return reason;
}

/** A clean stop of everything, agents first. */
async function end({ world, node, devices }: Town, failed: () => boolean): Promise<void> {
  const { schedule } = world;
  for (const device of devices) device.stop({ restarts: false });
  await schedule.run(schedule.nowMs + 7900, failed);
  for (const device of devices) if (device.running) world.witness.fail("F8", `${device.name} does not stop`);
  node.stop({ restarts: false });
  await schedule.run(schedule.nowMs + 14_900, failed);
  if (node.running) world.witness.fail("F8", "the anchor does not stop");
}
