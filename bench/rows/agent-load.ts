/**
 * The agent at work: sealing, many readings a second, and catching up after a long time without a broker.
 *
 * @module
 */
import { join } from "node:path";
import { cpus } from "node:os";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { makeHome, meterStreams, runAgent, shippedAgent, writeConfig, type Home } from "../agent-process.ts";
import { fillOutbox, type Fill } from "../fill-outbox.ts";
import type { Context, Figure, Row } from "../figures.ts";
import { REGISTER_COUNT, startMeter } from "../meter.ts";
import { cpuTime, idleTime, memory, resetPeak } from "../procfs.ts";
import { Town } from "../town.ts";

const ORIGIN = "bench.example/2026";
const MB = 1e6;
/** Readings of a telegram: the registers, and the meter's own id. */
const A_TELEGRAM = REGISTER_COUNT + 1;

type Given = {
  readonly town: Town;
  readonly home: Home;
  /** Main file of the agent as it is shipped. */
  readonly shipped: string;
};

/** A town of its own for one agent. */
async function aTown(context: Context, name: string): Promise<Given> {
  const folder = join(context.folder, `agent-${name}`);
  const home = makeHome(folder, name);
  const town = await Town.start({ folder: join(folder, "town"), origin: ORIGIN, devices: [home] });
  return { town, home, shipped: await shippedAgent(folder) };
}

const SEALED = [
  { what: "one a transaction", readings: 1, atOnce: 1, full: 10_000, quick: 1000 },
  { what: "500 a transaction", readings: 1, atOnce: 500, full: 50_000, quick: 10_000 },
  { what: "500 a transaction, 60 readings each", readings: 60, atOnce: 500, full: 20_000, quick: 2000 },
] as const;

export const seal: Row = {
  name: "seal",
  what: "statements sealed a second by the agent's own sealer, into its outbox on disk",
  async run(context): Promise<readonly Figure[]> {
    const figures: Figure[] = [];
    for (const [i, { what, readings, atOnce, ...counts }] of SEALED.entries()) {
      const home = makeHome(join(context.folder, "seal"), String(i));
      const fill: Fill = { count: context.quick ? counts.quick : counts.full, atOnce, readings };
      context.say(`sealing ${fill.count} statements, ${what}`);
      const { seconds, cpuS } = await fillOutbox(home.folder, home.iss, fill);
      figures.push({
        what: `statements sealed, ${what}`,
        value: fill.count / seconds,
        unit: "/s",
        notes: [
          `${fill.count} of them: encoded, signed (OpenSSL), read back strictly, stored with fsync; ` +
            `CPU ${((cpuS * 1e6) / fill.count).toFixed(0)} us a statement`,
        ],
        also: { cpuUsAStatement: (cpuS * 1e6) / fill.count },
      });
    }
    return figures;
  },
};

/** Each stream is sealed once a minute: that has to be in what is measured. */
const A_MINUTE_AND_MORE_S = 65;
/** Meters of one telegram a second behind one agent, as at a concentrator. */
const CONCENTRATOR = 91;

export const busyAgent: Row = {
  name: "busy",
  what: `the agent with ${CONCENTRATOR} meters: ${CONCENTRATOR * A_TELEGRAM} readings a second`,
  async run(context): Promise<readonly Figure[]> {
    const { town, home, shipped } = await aTown(context, "busy");
    const meter = await startMeter();
    try {
      const streams = meterStreams(meter.port, CONCENTRATOR);
      writeConfig(home, { brokerUrl: town.mqttUrl.href, vkey: town.vkey, streams });
      const agent = await runAgent(home.config, shipped);
      const settleS = context.quick ? 5 : 70;
      const seconds = context.quick ? A_MINUTE_AND_MORE_S : 2 * A_MINUTE_AND_MORE_S;
      context.say(`the agent reads ${CONCENTRATOR} meters for ${settleS + seconds} s`);
      await delay(settleS * 1000);
      const [before, sizeBefore] = [cpuTime(agent.pid).totalS, town.checkpoint().size];
      await delay(seconds * 1000);
      const cpu = (100 * (cpuTime(agent.pid).totalS - before)) / seconds;
      const entered = town.checkpoint().size - sizeBefore;
      const { rss, anonymous, peak } = memory(agent.pid);
      await agent.stop();
      const rate = `${CONCENTRATOR * A_TELEGRAM} readings/s`;
      return [
        {
          what: `agent CPU at ${rate}, % of a core`,
          value: cpu,
          unit: "%",
          notes: [
            `over ${seconds} s: a telegram a second from each of ${CONCENTRATOR} meters, all readings taken (every: 0); ${entered} statements entered the log meanwhile`,
          ],
        },
        {
          what: `agent RSS at ${rate}`,
          value: rss / MB,
          unit: "MB",
          notes: [`anonymous ${(anonymous / MB).toFixed(0)} MB, peak ${(peak / MB).toFixed(0)} MB`],
        },
      ];
    } finally {
      await meter.stop();
      await town.stop();
    }
  },
};

const OUTBOX = { full: 1_000_000, quick: 50_000 };
/** The part of it after which the rate is taken: processes are warm then. */
const FROM = 0.05;
/** A drain slower than this is no drain. */
const LEAST_PER_S = 500;

export const drain: Row = {
  name: "drain",
  what: `an outbox of ${OUTBOX.full.toLocaleString("en-US")} statements, delivered through broker and anchor`,
  async run(context): Promise<readonly Figure[]> {
    const { town, home, shipped } = await aTown(context, "drain");
    try {
      const count = context.quick ? OUTBOX.quick : OUTBOX.full;
      context.say(`filling an outbox with ${count} statements`);
      await fillOutbox(home.folder, home.iss, { count });
      // Room for all of it; and receipted ones are kept, to be counted.
      const bounds = "outbox: { maxBytes: 17179869184, keepReceipted: { maxBytes: 17179869184 } }\n";
      writeConfig(home, { brokerUrl: town.mqttUrl.href, vkey: town.vkey, streams: bounds });
      const base = town.checkpoint().size;
      const agent = await runAgent(home.config, shipped);
      resetPeak(agent.pid);
      context.say("delivering it");
      const pids = [agent.pid, town.broker.pid, town.anchor.pid];
      const used = (): number[] => pids.map((pid) => cpuTime(pid).totalS);
      const first = await reaches(town, base + FROM * count, count);
      const [before, idleBefore] = [used(), idleTime()];
      const last = await reaches(town, base + count, count);
      const [after, idleAfter] = [used(), idleTime()];
      await delay(2000); // the last receipts
      const { rss, peak } = memory(agent.pid);
      await agent.stop();
      const entered = last.size - first.size;
      const seconds = (last.ms - first.ms) / 1000;
      const cpuUs = after.map((one, i) => ((one - (before[i] ?? 0)) * 1e6) / entered);
      const idle = (idleAfter.idleS - idleBefore.idleS) / seconds;
      const receipted = receiptedIn(home);
      if (receipted < count) throw new Error(`of ${count} statements ${receipted} are receipted`);
      return [
        {
          what: `outbox of ${count.toLocaleString("en-US")} delivered`,
          value: entered / seconds,
          unit: "/s",
          budget: { atLeast: 10_000 },
          notes: [
            `${entered} statements of one reading in ${seconds.toFixed(1)} s, one device, agent, broker and anchor on ${cpus().length} cores, ${idle.toFixed(2)} of them idle; ` +
              `afterwards ${receipted} have their verified receipt`,
            `CPU a statement: agent ${cpuUs[0]?.toFixed(0)} us, broker ${cpuUs[1]?.toFixed(0)}, anchor ${cpuUs[2]?.toFixed(0)}; the agent's RSS ${(rss / MB).toFixed(0)} MB, peak ${(peak / MB).toFixed(0)} MB`,
          ],
        },
      ];
    } finally {
      await town.stop();
    }
  },
};

/** Waits until the published log has so many entries. */
async function reaches(town: Town, size: number, count: number): Promise<{ size: number; ms: number }> {
  const endMs = performance.now() + 30_000 + (count / LEAST_PER_S) * 1000;
  for (;;) {
    const [now, ms] = [town.checkpoint().size, performance.now()];
    if (now >= size) return { size: now, ms };
    if (ms > endMs) throw new Error(`the log has ${now} entries, and was to have ${size}`);
    await delay(20);
  }
}

function receiptedIn({ folder }: Home): number {
  const db = new DatabaseSync(join(folder, "agent.db"), { readOnly: true });
  try {
    return Number(db.prepare("SELECT count(*) AS count FROM outbox WHERE state = 1").get()?.["count"]);
  } finally {
    db.close();
  }
}
