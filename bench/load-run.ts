/**
 * One run of the load against a town, with the processor time of each process in the measured stage.
 *
 * @module
 */
import { fork } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import type { LoadMessage, LoadOptions, LoadResult } from "./load/options.ts";
import { cpuTime, idleTime, memory, resetPeak, type CpuTime } from "./procfs.ts";
import { profileFolder } from "./profile-stages.ts";
import type { Town } from "./town.ts";

const LOAD = join(import.meta.dirname, "load.ts");

export type Measured = LoadResult & {
  readonly statementBytes: number;
  readonly broker: CpuTime;
  readonly anchor: CpuTime;
  /** Peak RSS in bytes while the load ran. */
  readonly anchorPeak: number;
  readonly brokerPeak: number;
  /** The measured stage on CLOCK_MONOTONIC, microseconds. */
  readonly fromUs: number;
  readonly toUs: number;
  /** Part of all cores' time in it that nobody used, 0 to 1: the rest was ours or somebody else's. */
  readonly idle: number;
};

export type RunOptions = Omit<LoadOptions, "host" | "port" | "seen" | "log" | "verifyEvery" | "warmUp"> & {
  readonly origin: string;
  /** A V8 profile of the load goes there. */
  readonly profiles?: string | undefined;
};

/** Part of the statements that warms up; in a closed loop at least the first burst, which fills every window at once. */
const WARM_UP = 0.15;
const BURSTS = 1.5;
/** One message of receipts in so many is verified, after the measured stage. */
const VERIFY_EVERY = 25;

export async function runLoad(town: Town, { origin, profiles, ...options }: RunOptions): Promise<Measured> {
  const execArgv =
    profiles === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileFolder(profiles, "load")}`];
  const child = fork(LOAD, { execArgv, serialization: "advanced" });
  const { broker, anchor } = town;
  const ended = new Promise<never>((_, reject) => {
    child.once("exit", (code) => reject(new Error(`the load ended with ${code}`)));
    void broker.ended.then(reject);
    void anchor.ended.then(reject);
  });
  const messages = heard(child);
  const next = async <K extends LoadMessage["kind"]>(kind: K): Promise<Extract<LoadMessage, { kind: K }>> => {
    const message = await Promise.race([messages.next(), ended]);
    if (message.kind !== kind) throw new Error(`the load said ${message.kind}, not ${kind}`);
    return message as Extract<LoadMessage, { kind: K }>;
  };
  const times = (): { broker: CpuTime; anchor: CpuTime } => ({
    broker: cpuTime(broker.pid),
    anchor: cpuTime(anchor.pid),
  });
  ended.catch(() => undefined);
  try {
    child.send({
      ...options,
      host: town.mqttUrl.hostname,
      port: Number(town.mqttUrl.port),
      warmUp: warmUpOf(options),
      verifyEvery: VERIFY_EVERY,
      seen: town.checkpoint(),
      log: { origin, key: town.logKey() },
    } satisfies LoadOptions);
    const { statementBytes } = await next("ready");
    for (const { pid } of [broker, anchor]) resetPeak(pid);
    child.send("go");
    await next("measuring");
    const before = times();
    const [fromUs, idleBefore] = [nowUs(), idleTime()];
    await next("measured");
    const after = times();
    const [toUs, idleAfter] = [nowUs(), idleTime()];
    const { result } = await next("result");
    await new Promise((resolve) => child.once("close", resolve)); // it writes its profile
    return {
      ...result,
      statementBytes,
      broker: difference(before.broker, after.broker),
      anchor: difference(before.anchor, after.anchor),
      anchorPeak: memory(anchor.pid).peak,
      brokerPeak: memory(broker.pid).peak,
      fromUs,
      toUs,
      idle: (idleAfter.idleS - idleBefore.idleS) / (idleAfter.allS - idleBefore.allS),
    };
  } finally {
    child.kill();
  }
}

function warmUpOf({ statements, rate, inFlight, perMessage, devices }: Omit<RunOptions, "origin">): number {
  const burst = rate === undefined ? BURSTS * inFlight * perMessage * devices : 0;
  if (burst > statements / 2)
    throw new Error("too few statements to measure anything behind the first burst");
  return Math.ceil(Math.max(WARM_UP * statements, burst));
}

const nowUs = (): number => Number(process.hrtime.bigint() / 1000n);

const difference = (before: CpuTime, after: CpuTime): CpuTime => ({
  totalS: after.totalS - before.totalS,
  mainS: after.mainS - before.mainS,
  v8S: after.v8S - before.v8S,
  filesS: after.filesS - before.filesS,
  workersS: after.workersS - before.workersS,
});

/** What the load says, one after the other. */
function heard(child: ReturnType<typeof fork>): { next(): Promise<LoadMessage> } {
  const queue: LoadMessage[] = [];
  let wake = (): void => undefined;
  child.on("message", (message: LoadMessage) => {
    queue.push(message);
    wake();
  });
  return {
    async next() {
      for (;;) {
        const message = queue.shift();
        if (message !== undefined) return message;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}
