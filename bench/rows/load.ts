/**
 * The rows that need the whole way: broker, anchor and load as processes, statements signed by 400 devices, data on the disk.
 *
 * @module
 */
import { cpus } from "node:os";
import { join } from "node:path";
import { type Context, type Figure, type Row, type Stage } from "../figures.ts";
import { runLoad, type Measured, type RunOptions } from "../load-run.ts";
import type { PublicKey } from "@tallystick/evidence";
import { issOf, signerOf } from "../load/keys.ts";
import { memory } from "../procfs.ts";
import { Town } from "../town.ts";
import { rawRate } from "./raw.ts";

export const ORIGIN = "bench.example/2026";
export const DEVICES = 400;
const MIB = 2 ** 20;

export const loadDevices = (): { iss: string; key: PublicKey }[] =>
  Array.from({ length: DEVICES }, (_, i) => ({ iss: issOf(i), key: signerOf(i).key }));

/** One town for all rows of a run: each load has chains of its own. */
function theTown(context: Context): Promise<Town> {
  return context.once("town", async () => {
    context.say(`starting broker and anchor, enrolling ${DEVICES} devices`);
    const { profiles } = context;
    const town = await Town.start({
      folder: join(context.folder, "town"),
      origin: ORIGIN,
      devices: loadDevices(),
      profiles,
    });
    context.atEnd(() => town.stop());
    return town;
  });
}

type Shape = Pick<RunOptions, "readings" | "perMessage" | "inFlight" | "statements"> & {
  readonly rate?: number;
};

export async function measure(
  context: Context,
  stream: string,
  shape: Shape,
  given?: Town,
): Promise<Measured> {
  const town = given ?? (await theTown(context));
  context.say(`signing ${shape.statements} statements, then sending them (${stream})`);
  const measured = await runLoad(town, {
    ...shape,
    stream: `meter/${stream}`,
    devices: DEVICES,
    origin: ORIGIN,
    profiles: given === undefined ? context.profiles : undefined,
    maxSeconds: context.quick ? 10 : 60,
  });
  checkReceipts(measured);
  if (shape.rate === undefined && given === undefined) context.stage(stageOf(stream, measured));
  return measured;
}

const stageOf = (name: string, { fromUs, toUs, receipted, broker, anchor, cpuS }: Measured): Stage => ({
  name,
  fromUs,
  toUs,
  statements: receipted,
  cpuS: {
    "broker main": broker.mainS,
    "anchor main": anchor.mainS,
    "anchor workers": anchor.workersS,
    "load main": cpuS,
  },
});

/** @throws Error unless each statement got its receipt, once: a rate of anything else is no figure */
function checkReceipts({ sent, once, twice, never, refusals }: Measured): void {
  const refused = Object.entries(refusals).map(([code, count]) => `${count} ${code}`);
  if (never > 0 || twice > 0 || refused.length > 0) {
    throw new Error(
      `of ${sent} statements ${once} got one receipt, ${twice} several, ${never} none; refused: ${refused.join(", ") || "none"}`,
    );
  }
}

/** In a message, what an agent that has something to catch up sends at once; enough under way to fill the anchor's pool. */
export const shapeOf = (context: Context): Shape => ({
  readings: 1,
  perMessage: 32,
  inFlight: 2,
  statements: context.quick ? 120_000 : 480_000,
});

export const atFullLoad = (context: Context): Promise<Measured> =>
  context.once("full load", () => measure(context, "full", shapeOf(context)));

export const rateOf = ({ receipted, seconds }: Measured): number => receipted / seconds;

/** Where the processors' time went, for each statement. */
export function costs({ broker, anchor, cpuS, receipted, seconds, idle }: Measured): string[] {
  const us = (s: number): string => ((s * 1e6) / receipted).toFixed(1);
  const all = broker.totalS + anchor.totalS + cpuS;
  return [
    `CPU a statement: ${us(all)} us = broker ${us(broker.totalS)} + anchor ${us(anchor.totalS)} + load ${us(cpuS)}; ` +
      `${(all / seconds).toFixed(2)} of ${cpus().length} cores busy with them, ${(idle * cpus().length).toFixed(2)} idle`,
    `of the anchor: main thread ${us(anchor.mainS)}, signature threads ${us(anchor.workersS)}, V8's threads (garbage) ${us(anchor.v8S)}, ` +
      `files ${us(anchor.filesS)}; of the broker: V8's threads ${us(broker.v8S)}`,
  ];
}

export const proof = ({ sent, resent, verifiedReceipts, verifiedStatements }: Measured): string =>
  `${sent} statements sent, each got its receipt exactly once; messages sent again: ${resent}; ` +
  `${verifiedReceipts} receipts for ${verifiedStatements} statements verified`;

export const stage = ({ receipted, seconds, statementBytes }: Measured, { perMessage }: Shape): string =>
  `${receipted} statements of ${statementBytes.toFixed(0)} bytes in ${seconds.toFixed(1)} s after warm-up, ` +
  `closed loop, ${DEVICES} devices, ${perMessage} a message`;

export const throughput: Row = {
  name: "throughput",
  what: "receipted statements a second: broker + anchor + load, fsync on",
  async run(context): Promise<readonly Figure[]> {
    const sodium = await rawRate(context);
    const shape = shapeOf(context);
    const many = await atFullLoad(context);
    const statements = context.quick ? 80_000 : 200_000;
    const singleShape = { ...shape, perMessage: 1, inFlight: 30, statements };
    const single = await measure(context, "single", singleShape);
    const rate = rateOf(many);
    const part = `${((100 * rate) / sodium).toFixed(0)} % of what sodium alone verified on all cores in this run (aim: 50 %)`;
    return [
      {
        what: "receipted statements",
        value: rate,
        unit: "/s",
        budget: { atLeast: 12_000 },
        notes: [stage(many, shape), part, ...costs(many), proof(many)],
      },
      {
        what: "the same, one statement a message",
        value: rateOf(single),
        unit: "/s",
        notes: [stage(single, singleShape), ...costs(single), proof(single)],
      },
    ];
  },
};

export const readings: Row = {
  name: "readings",
  what: "readings a second at 60 a statement",
  async run(context): Promise<readonly Figure[]> {
    const shape = { readings: 60, perMessage: 16, inFlight: 1, statements: context.quick ? 20_000 : 120_000 };
    const measured = await measure(context, "packs", shape);
    return [
      {
        what: "readings, 60 a statement",
        value: 60 * rateOf(measured),
        unit: "/s",
        budget: { atLeast: 600_000 },
        notes: [
          `${rateOf(measured).toFixed(0)} statements/s: ${stage(measured, shape)}`,
          ...costs(measured),
          proof(measured),
        ],
      },
    ];
  },
};

/** Parts of the rate at which latency is looked at; the budget is of the half. */
const LATENCY_AT = [0.1, 0.5, 0.9];
/** What a log takes falls as it grows: the rate of which these are parts is taken just before, by so many statements. */
const RATE_STATEMENTS = 100_000;

export const latency: Row = {
  name: "latency",
  what: "from sending to receipt at 10, 50 and 90 % of the rate at that size of the log",
  async run(context): Promise<readonly Figure[]> {
    const figures: Figure[] = [];
    for (const part of LATENCY_AT) {
      const name = `latency-${100 * part}`;
      const shape = shapeOf(context);
      const full = rateOf(await measure(context, `${name}-of`, { ...shape, statements: RATE_STATEMENTS }));
      const rate = part * full;
      const seconds = context.quick ? 5 : 30;
      const statements = Math.ceil((rate * seconds) / 0.85);
      const measured = await measure(context, name, { ...shape, statements, rate });
      const { p50, p99, p999, max } = measured.latencyMs;
      figures.push({
        what: `receipt latency at ${100 * part} % of the rate, p99`,
        value: p99,
        unit: "ms",
        ...(part === 0.5 && { budget: { atMost: 1000 } }),
        notes: [
          `p50 ${p50.toFixed(0)} ms, p99.9 ${p999.toFixed(0)} ms, longest ${max.toFixed(0)} ms; ` +
            `open loop, ${rate.toFixed(0)} of ${full.toFixed(0)} statements/s in messages of ${shape.perMessage}, from the moment each was due`,
          proof(measured),
        ],
        also: { p50Ms: p50, p99Ms: p99, p999Ms: p999, maxMs: max, ratePerS: rate, fullPerS: full },
      });
    }
    return figures;
  },
};

export const anchorMemory: Row = {
  name: "memory",
  what: "the anchor's memory at full load",
  async run(context): Promise<readonly Figure[]> {
    const { anchorPeak, brokerPeak } = await atFullLoad(context);
    const town = await theTown(context);
    const { rss, peak, anonymous } = memory(town.anchor.pid);
    const { size } = town.checkpoint();
    return [
      {
        what: "anchor RSS at full load, peak",
        // Each stage begins a new peak: this is of the first one, and of the last one that ran.
        value: Math.max(anchorPeak, peak) / MIB,
        unit: "MiB",
        budget: { atMost: MAX_ANCHOR_BYTES / MIB },
        notes: [
          `afterwards ${(rss / MIB).toFixed(0)} MiB (${(anonymous / MIB).toFixed(0)} anonymous) at log size ${size}; broker's peak ${(brokerPeak / MIB).toFixed(0)} MiB`,
        ],
      },
    ];
  },
};

const MAX_ANCHOR_BYTES = 400e6;
