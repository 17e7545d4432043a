/**
 * The agent as a process: how long it takes to start, what it needs while it reads, and whether a full outbox costs memory.
 *
 * @module
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { setTimeout as delay } from "node:timers/promises";
import { makeHome, meterStreams, runAgent, shippedAgent, writeConfig, type Home } from "../agent-process.ts";
import { fillOutbox } from "../fill-outbox.ts";
import { median, type Context, type Figure, type Row } from "../figures.ts";
import { REGISTER_COUNT, startMeter } from "../meter.ts";
import { cpuTime, memory } from "../procfs.ts";
import { Town } from "../town.ts";

const ORIGIN = "bench.example/2026";
const OUTBOX = { full: 100_000, quick: 20_000 };

type Given = {
  readonly town: Town;
  readonly homes: Record<HomeName, Home>;
  readonly meterPort: number;
  /** Main file of the agent as it is shipped. */
  readonly shipped: string;
};
const HOMES = ["steady", "empty", "full"] as const;
type HomeName = (typeof HOMES)[number];

/** A broker, an anchor that knows three devices, a meter. */
function theHomes(context: Context): Promise<Given> {
  return context.once("homes", async () => {
    context.say("starting broker and anchor for the agents");
    const folder = join(context.folder, "agents");
    const homes = HOMES.map((name) => [name, makeHome(folder, name)] as const);
    const devices = homes.map(([, home]) => home);
    const town = await Town.start({ folder: join(folder, "town"), origin: ORIGIN, devices });
    context.atEnd(() => town.stop());
    const meter = await startMeter();
    context.atEnd(() => meter.stop());
    const shipped = await shippedAgent(folder);
    return {
      town,
      shipped,
      homes: Object.fromEntries(homes) as Record<HomeName, Home>,
      meterPort: meter.port,
    };
  });
}

const configure = (home: Home, { town, meterPort }: Given, brokerUrl = town.mqttUrl.href): void =>
  writeConfig(home, { brokerUrl, vkey: town.vkey, streams: meterStreams(meterPort) });

/** The first start of each is left out: it compiles for the next ones, and finds no database. */
async function startTimes(config: string, rounds: number, main?: string): Promise<number[]> {
  const times: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const agent = await runAgent(config, main);
    if (round > 0) times.push(agent.startMs);
    await agent.stop();
  }
  return times;
}

type Steady = {
  readonly rss: number;
  readonly anonymous: number;
  readonly peak: number;
  readonly cpu: number;
};

/** An agent that has been reading for a while. */
async function steadily(config: string, settleS: number, seconds: number, main?: string): Promise<Steady> {
  const agent = await runAgent(config, main);
  await delay(settleS * 1000);
  const before = cpuTime(agent.pid).totalS;
  await delay(seconds * 1000);
  const cpu = (100 * (cpuTime(agent.pid).totalS - before)) / seconds;
  const used = memory(agent.pid);
  await agent.stop();
  return { ...used, cpu };
}

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(0)} MB`;

/** Node with nothing to do: what no agent can be faster than. */
async function emptyStart(rounds: number): Promise<number> {
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const startedMs = performance.now();
    const child = spawn(process.execPath, ["-e", "0"], { stdio: "ignore" });
    await new Promise((resolve) => child.once("exit", resolve));
    times.push(performance.now() - startedMs);
  }
  return median(times);
}

const listed = (times: readonly number[]): string =>
  `median of ${times.length}: ${times.map((one) => one.toFixed(0)).join(", ")} ms`;

export const agentRow: Row = {
  name: "agent",
  what: "the agent: time to start, memory, processor time",
  async run(context): Promise<readonly Figure[]> {
    const given = await theHomes(context);
    const { steady } = given.homes;
    const rounds = context.quick ? 3 : 10;
    configure(steady, given);
    context.say("starting the agent again and again");
    const shipped = await startTimes(steady.config, rounds, given.shipped);
    const sources = await startTimes(steady.config, rounds);
    const node = await emptyStart(rounds);

    const settleS = context.quick ? 5 : 30;
    const seconds = context.quick ? 10 : 120;
    context.say(`the agent reads for ${seconds} s, as shipped and then from its sources`);
    const asShipped = await steadily(steady.config, settleS, seconds, given.shipped);
    const fromSources = await steadily(steady.config, settleS, seconds);
    const rate = `${REGISTER_COUNT + 1} readings/s`;
    return [
      {
        what: "agent as shipped, spawn to running",
        value: median(shipped),
        unit: "ms",
        budget: { atMost: 150 },
        notes: [
          listed(shipped),
          `from the sources ${listed(sources)}; an empty Node takes ${node.toFixed(0)} ms from spawn to end`,
        ],
      },
      {
        what: "agent as shipped, RSS",
        value: asShipped.rss / 1e6,
        unit: "MB",
        budget: { atMost: 95 },
        notes: [
          `after ${settleS + seconds} s at ${rate}; anonymous ${mb(asShipped.anonymous)}, peak ${mb(asShipped.peak)}`,
          `from the sources ${mb(fromSources.rss)}, of that anonymous ${mb(fromSources.anonymous)}`,
        ],
      },
      {
        what: "agent as shipped, CPU, % of a core",
        value: asShipped.cpu,
        unit: "%",
        budget: { atMost: 2 },
        notes: [
          `over ${seconds} s: a telegram a second, all of its ${REGISTER_COUNT + 1} readings taken (every: 0), journalled, sealed, receipted`,
          `from the sources ${fromSources.cpu.toFixed(1)} %`,
        ],
      },
    ];
  },
};

export const outboxRow: Row = {
  name: "outbox",
  what: "the agent's memory with a full outbox and with an empty one",
  async run(context): Promise<readonly Figure[]> {
    const given = await theHomes(context);
    const count = context.quick ? OUTBOX.quick : OUTBOX.full;
    const settleS = context.quick ? 5 : 20;
    // An agent that can't deliver: the port is nobody's, the outbox stays as it is.
    const away = "mqtt://127.0.0.1:1";
    const rssOf = async (home: Home): Promise<{ rss: number; anonymous: number }> => {
      configure(home, given, away);
      const agent = await runAgent(home.config, given.shipped);
      await delay(settleS * 1000);
      const { rss, anonymous } = memory(agent.pid);
      await agent.stop();
      return { rss, anonymous };
    };
    context.say(`filling an outbox with ${count} statements`);
    await fillOutbox(given.homes.full.folder, given.homes.full.iss, { count });
    const empty = await rssOf(given.homes.empty);
    const full = await rssOf(given.homes.full);
    // And the same outbox while it is delivered.
    configure(given.homes.full, given);
    const agent = await runAgent(given.homes.full.config, given.shipped);
    const startedMs = performance.now();
    await delay(settleS * 1000);
    const delivering = memory(agent.pid);
    const size = given.town.checkpoint().size;
    await agent.stop();
    return [
      {
        what: `agent RSS with an outbox of ${count.toLocaleString("en-US")}, no broker`,
        value: full.rss / 1e6,
        unit: "MB",
        notes: [
          `with an empty outbox ${mb(empty.rss)}; anonymous ${mb(full.anonymous)} and ${mb(empty.anonymous)}`,
        ],
      },
      {
        what: "the same while it delivers",
        value: delivering.rss / 1e6,
        unit: "MB",
        notes: [
          `peak ${mb(delivering.peak)}; the log had ${size} entries after ${((performance.now() - startedMs) / 1000).toFixed(0)} s`,
        ],
      },
    ];
  },
};
