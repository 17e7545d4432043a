/**
 * Everything that can go wrong in a simulated world, one line each. Each seed draws which of it may happen to it, and when.
 *
 * @module
 */
import { copyDevice, loseDatabase, setBackAnchor, setBackDevice } from "./old-states.ts";
import { FAIR } from "./broker.ts";
import type { Device } from "./device.ts";
import type { Way } from "./lines.ts";
import type { Random } from "./random.ts";
import type { Town } from "./town.ts";

/** One thing that happens at one moment. */
type Fault = (town: Town, random: Random) => void;

const anyDevice = ({ devices, copies }: Town, random: Random): Device => random.pick([...devices, ...copies]);
const anyWay = (town: Town, random: Random): Way =>
  random.chance(0.4) ? town.node.way : anyDevice(town, random).way;

/** Does something, and undoes it after a while; the end of all faults undoes it as well. */
function forAWhile({ world, endMs }: Town, random: Random, what: string, undo: () => void): void {
  const leftMs = endMs - world.schedule.nowMs;
  world.schedule.after(Math.min(leftMs, random.scale(200, Math.max(1000, endMs / 2))), what, undo);
}

const FAULTS: Readonly<Record<string, Fault>> = {
  "an agent is killed": (town, random) => anyDevice(town, random).kill(),
  "a device loses power": (town, random) => anyDevice(town, random).kill({ power: true }),
  "an agent is restarted": (town, random) => anyDevice(town, random).stop(),
  "an agent dies at some effect": (town, random) => anyDevice(town, random).life?.dieAfter(random.below(80)),
  "the anchor is killed": ({ node }) => node.kill(),
  "the anchor loses power": ({ node }) => node.kill({ power: true }),
  "the anchor is restarted": ({ node }) => node.stop(),
  "the anchor dies at some effect": ({ node }, random) => node.life?.dieAfter(random.below(150)),
  "the broker is restarted": ({ world, node }) => {
    if (!node.mustStop) world.broker.restart(); // where an older anchor must hear of the newest note, somebody has to know it
  },
  "a line is cut": ({ world, node, devices }, random) =>
    world.broker.cut(random.pick([node.config.broker.clientId, ...devices.map(({ iss }) => iss)])),
  "nobody gets through": (town, random) => {
    const way = anyWay(town, random);
    way.reachable = false;
    for (const { iss } of town.devices) town.world.broker.cut(iss);
    forAWhile(town, random, "a way is open again", () => (way.reachable = true));
  },
  "a line is dead": (town, random) => {
    const { speed } = anyWay(town, random);
    speed.dead = true;
    forAWhile(town, random, "a line lives again", () => (speed.dead = false));
  },
  "a line is slow": (town, random) => {
    const { speed } = anyWay(town, random);
    const before = speed.maxLatencyMs;
    speed.maxLatencyMs = random.scale(500, 20_000);
    forAWhile(town, random, "a line is fast again", () => (speed.maxLatencyMs = before));
  },
  "a storm": (town, random) => {
    const { broker } = town.world;
    broker.weather = {
      lose: random.between(0, 0.4),
      double: random.between(0, 0.4),
      delay: random.between(0, 0.5),
      maxDelayMs: random.scale(10, 120_000),
      alter: random.between(0, 0.2),
      swap: random.between(0, 0.2),
    };
    forAWhile(town, random, "the storm is over", () => (broker.weather = { ...FAIR }));
  },
  "a device's clock steps": (town, random) =>
    anyDevice(town, random).clock.step(random.scale(500, 4e11) * random.pick([-1, 1])),
  "a device's clock is set": (town, random) => anyDevice(town, random).clock.synchronise(),
  "a device's clock is left alone": (town, random) =>
    void (anyDevice(town, random).clock.isSynchronised = false),
  "the anchor's clock steps": ({ node }, random) =>
    node.clock.step(random.scale(500, 1e10) * random.pick([-1, 1])),
  "a device's disk is full": (town, random) => {
    const { store } = anyDevice(town, random);
    store.fill(random.below(5));
    forAWhile(town, random, "a device's disk has room", () => store.free());
  },
  "a device's disk fails": (town, random) => void (anyDevice(town, random).store.failCommits = 1),
  "the anchor's disk is full": (town, random) => {
    const { store } = town.node;
    store.fill(random.below(5));
    forAWhile(town, random, "the anchor's disk has room", () => store.free());
  },
  "the anchor's disk fails": ({ node }) => void (node.store.failCommits = 1),
  "the public folder is full": (town, random) => {
    const { files } = town.node;
    files.full = true;
    forAWhile(town, random, "the public folder has room", () => (files.full = false));
  },
  "the public folder fails": ({ node }, random) =>
    void (node.files.failing[random.pick(["write", "sync", "rename"] as const)] = 1),
  "the public folder is lost": ({ node }) => {
    if (node.mustStop) return;
    node.kill();
    node.files.clear();
  },
  "a burst": (town, random) => {
    const device = anyDevice(town, random);
    for (const meter of device.meters.values())
      for (let i = 0; i < 30; i++)
        town.world.schedule.after(i * random.between(1, 40), "a telegram of a burst", () => meter.tick());
  },
  "a meter shows more": (town, random) => {
    const { settings, meters } = anyDevice(town, random);
    // A head that a full outbox lets go is a head that the next chain's opening names in vain.
    if (settings.outbox.whenFull === "drop-oldest") return;
    for (const meter of meters.values()) meter.showsMore = true;
  },
  "a meter is changed": (town, random) => {
    for (const meter of anyDevice(town, random).meters.values()) meter.id = `m-${1 + random.below(9)}`;
  },
};

/** Things that give up part of what is promised of a device, or of the log for as long as they last: each by itself, and seldom. */
const OLD_STATES: Readonly<Record<string, Fault>> = {
  "an older state of a device": setBackDevice,
  "a copy of a device": copyDevice,
  "a device's database is lost": loseDatabase,
  "an older state of the anchor": setBackAnchor,
};

const MAX_FAULTS = 30;

/** Draws what happens, and puts it on the schedule. */
export function drawFaults(town: Town): void {
  const { world, endMs } = town;
  const random = world.random("faults");
  const kinds = Object.entries(FAULTS).filter(() => random.chance(0.45));
  const count = kinds.length === 0 ? 0 : random.below(MAX_FAULTS);
  for (let i = 0; i < count; i++) put(town, random.between(0, endMs), random.pick(kinds));
  for (const kind of Object.entries(OLD_STATES))
    if (random.chance(0.08)) put(town, random.between(endMs * 0.2, endMs * 0.9), kind);
}

function put(town: Town, atMs: number, [name, fault]: readonly [string, Fault]): void {
  const { world } = town;
  const random = world.random(`${name} ${atMs}`);
  world.schedule.after(atMs, name, () => {
    world.witness.faults.set(name, (world.witness.faults.get(name) ?? 0) + 1);
    fault(town, random);
  });
}

/** Everything works from here on. */
export function heal({ world, node, devices, copies }: Town): void {
  world.broker.weather = { ...FAIR };
  for (const copy of copies) copy.kill({ restarts: false });
  for (const { way, store, clock } of [node, ...devices]) {
    Object.assign(way.speed, { dead: false, maxLatencyMs: 50 });
    way.reachable = true;
    store.free();
    store.failCommits = 0;
    clock.synchronise();
  }
  node.files.full = false;
  Object.assign(node.files.failing, { write: 0, sync: 0, rename: 0 });
  for (const { life } of [node, ...devices]) life?.dieAfter(Infinity);
}
