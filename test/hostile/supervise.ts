/**
 * Watches over the threads that run cases: hands out stretches of them, ends a thread that hangs or runs out of memory and puts another in its place, and
 * adds up what came out.
 *
 * @module
 */
import { once } from "node:events";
import { availableParallelism } from "node:os";
import { Worker } from "node:worker_threads";
import type { Handed } from "./corpus.ts";
import { CaseClock } from "./progress.ts";
import { Tally, type TargetTally } from "./tally.ts";
import type { FromWorker, Stretch, TargetInfo, WorkerData } from "./worker.ts";

export type RunOptions = {
  readonly seed: number;
  /** Cases of all targets together. */
  readonly cases: number;
  /** Only these targets. */
  readonly only?: string;
  /** Ends the run early. */
  readonly signal?: AbortSignal;
  readonly attacked: readonly Handed[];
  readonly say: (line: string) => void;
  /** Targets other than all there are. */
  readonly module?: URL;
  /** A case that takes longer than this hangs. */
  readonly hangMs?: number;
};

/** The slowest honest case takes some thirty milliseconds, and seconds where a dozen others want the processor too. */
const HANG_MS = 30_000;
const ALL_TARGETS = new URL("./targets/all.ts", import.meta.url);
const LOOK_MS = 250;
/** A thread that needs more than this for its seeds and one case is out of bounds. */
const MOST_HEAP_MB = 512;
/** Cases in one stretch of a target of weight 1 and of all: small enough that targets take turns. */
const STRETCH = 1000;
/** Threads that may be lost before the run gives up. */
const MOST_LOST = 20;

export async function runCases(options: RunOptions): Promise<readonly TargetTally[]> {
  const tally = new Tally();
  const first = await Thread.start(options);
  const stretches = stretchesOf(first.targets, options);
  tally.expect(first.targets, options.only);
  const others = Math.max(1, availableParallelism()) - 1;
  const threads = [
    first,
    ...(await Promise.all(Array.from({ length: others }, () => Thread.start(options)))),
  ];
  await Promise.all(threads.map((thread) => work(thread, stretches, tally, options)));
  return tally.targets;
}

/** Every target in turn, each in proportion to its weight. */
function* stretchesOf(
  targets: readonly TargetInfo[],
  { cases, only, signal }: RunOptions,
): Generator<Stretch, void, undefined> {
  const chosen = targets
    .map((info, target) => ({ ...info, target }))
    .filter(({ name }) => only === undefined || name === only);
  const weights = chosen.reduce((sum, { weight }) => sum + weight, 0);
  const shares = chosen.map((one) => ({ ...one, at: 0, end: Math.round((cases * one.weight) / weights) }));
  while (shares.some(({ at, end }) => at < end)) {
    for (const share of shares) {
      if (signal?.aborted === true) return;
      if (share.at >= share.end) continue;
      const to = Math.min(share.end, share.at + STRETCH);
      yield { target: share.target, from: share.at, to };
      share.at = to;
    }
  }
}

async function work(
  thread: Thread,
  stretches: Generator<Stretch, void, undefined>,
  tally: Tally,
  options: RunOptions,
): Promise<void> {
  let current = thread;
  let lost = 0;
  for (const stretch of stretches) {
    let rest: Stretch | undefined = stretch;
    while (rest !== undefined) {
      const result = await current.run(rest);
      if (result.kind === "done") {
        tally.add(current.name(rest.target), current.number, result);
        rest = undefined;
        continue;
      }
      const { target, number } = result;
      tally.fail({ target: current.name(target), number, message: result.message });
      options.say(`${current.name(target)}, case ${number}: ${result.message}`);
      if (++lost > MOST_LOST) throw new Error("too many threads were lost");
      rest = number + 1 < rest.to ? { ...rest, from: number + 1 } : undefined;
      current = await Thread.start(options);
    }
  }
  await current.stop();
}

type Lost = {
  readonly kind: "lost";
  readonly target: number;
  readonly number: number;
  readonly message: string;
};

class Thread {
  readonly targets: readonly TargetInfo[];
  readonly #worker: Worker;
  readonly #clock: CaseClock;
  readonly #hangMs: number;

  private constructor(worker: Worker, clock: CaseClock, targets: readonly TargetInfo[], hangMs: number) {
    this.#worker = worker;
    this.#clock = clock;
    this.#hangMs = hangMs;
    this.targets = targets;
  }

  static async start({
    seed,
    attacked,
    module = ALL_TARGETS,
    hangMs = HANG_MS,
  }: RunOptions): Promise<Thread> {
    const clock = new CaseClock();
    const workerData: WorkerData = { module: module.href, seed, attacked, clock: clock.memory };
    const worker = new Worker(new URL("./worker.ts", import.meta.url), {
      workerData,
      resourceLimits: { maxOldGenerationSizeMb: MOST_HEAP_MB },
    });
    worker.on("error", () => undefined); // one that hangs and devours may fail after it was given up
    const [ready] = (await once(worker, "message")) as [Extract<FromWorker, { kind: "ready" }>];
    return new Thread(worker, clock, ready.targets, hangMs);
  }

  get number(): number {
    return this.#worker.threadId;
  }

  name(target: number): string {
    return this.targets[target]?.name ?? "?";
  }

  /** Runs a stretch; a thread that hangs or dies in it is gone afterwards. */
  async run(stretch: Stretch): Promise<Extract<FromWorker, { kind: "done" }> | Lost> {
    const { promise, resolve } = Promise.withResolvers<Extract<FromWorker, { kind: "done" }> | Lost>();
    const lost = (message: string): void => {
      const { target, number } = this.#clock.look() ?? { target: stretch.target, number: stretch.to - 1 };
      resolve({ kind: "lost", target, number, message });
    };
    const watch = setInterval(() => {
      const at = this.#clock.look();
      if (at === undefined || at.forMs < this.#hangMs) return;
      lost(`hangs: not over after ${this.#hangMs / 1000} s`);
      void this.#worker.terminate();
    }, LOOK_MS);
    const onMessage = (message: FromWorker): void => {
      if (message.kind === "done") resolve(message);
    };
    const onError = (error: Error): void => lost(`ended its thread: ${error.message}`);
    const onExit = (code: number): void => lost(`ended its thread with ${code}`);
    this.#worker.on("message", onMessage).on("error", onError).on("exit", onExit);
    this.#worker.postMessage(stretch, []);
    const result = await promise;
    clearInterval(watch);
    this.#worker.off("message", onMessage).off("error", onError).off("exit", onExit);
    return result;
  }

  async stop(): Promise<void> {
    await this.#worker.terminate();
  }
}
