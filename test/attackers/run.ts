/**
 * The attackers' suite: first those who live there alone, then each attack beside them. What is compared is compared within one run, on one machine: the rate at
 * which honest devices get receipts, alone and under attack.
 *
 * @module
 */
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { Worker } from "node:worker_threads";
import { memory } from "../../bench/procfs.ts";
import type { AttackOptions, Attempt, Parties } from "./attack.ts";
import { ATTACKS } from "./attacks/all.ts";
import { Fortress } from "./fortress.ts";
import { Honest, type Figures } from "./honest.ts";

export type AttackersOptions = Partial<AttackOptions> & {
  readonly say: (line: string) => void;
  /** Only these attacks. */
  readonly only?: readonly string[];
  readonly withinMs?: number;
};

type Judged = Figures & {
  readonly name: string;
  readonly tried: number;
  readonly seconds: number;
  /** Of the rate without an attack. */
  readonly share: number;
};

export type AttackersReport = {
  readonly alone: Figures;
  readonly attacks: readonly Judged[];
  /** What got in, and what went wrong for those who live there. */
  readonly faults: readonly string[];
  /** Resident MiB before and after, and at the worst moment. */
  readonly memory: Readonly<Record<"broker" | "anchor", { before: number; after: number; peak: number }>>;
};

const HONEST = 6;
const CAPTURED = 100;
const names = (kind: string, count: number): readonly string[] =>
  Array.from({ length: count }, (_, n) => `city/${kind}-${n}`);

const WARM_UP_MS = 2000;
const MIB = 2 ** 20;

export async function runAttackers(options: AttackersOptions): Promise<AttackersReport> {
  const { say, seed = 1, seconds = 3, times = 1, only, withinMs = 600_000 } = options;
  const cast = {
    honest: [...names("honest", HONEST), "city/visitor"],
    captured: names("bad", CAPTURED),
    revoked: ["city/gone"],
  };
  const report: { made?: AttackersReport } = {};
  await Fortress.run(
    cast,
    async (fortress) => {
      const { town, target } = fortress;
      const honest = await Honest.begin(fortress, names("honest", HONEST), "city/visitor");
      const watch = new Watch({ broker: town.pidOf("broker"), anchor: town.pidOf("anchor") });
      await delay(WARM_UP_MS);
      honest.take();
      watch.begin();
      await delay(seconds * 1000);
      const alone = honest.take();
      say(line("nobody attacks", 0, alone, 1));
      const parties: Parties = { ...cast, target, honest: names("honest", HONEST) };
      const attackers = new Worker(new URL("./worker.ts", import.meta.url), { workerData: parties });
      const attacks: Judged[] = [];
      const breaches: string[] = [];
      try {
        for (const name of only ?? Object.keys(ATTACKS)) {
          honest.take();
          const startMs = performance.now();
          attackers.postMessage({ name, options: { seed, seconds, times } }, []);
          const [attempt] = (await once(attackers, "message")) as [Attempt];
          const figures = honest.take();
          const share = figures.rate / alone.rate;
          const lastedS = (performance.now() - startMs) / 1000;
          attacks.push({ name, tried: attempt.tried, seconds: lastedS, share, ...figures });
          breaches.push(...attempt.breaches.map((breach) => `${name}: ${breach}`));
          say(line(name, attempt.tried, figures, share));
        }
      } finally {
        await attackers.terminate();
      }
      await delay(1000);
      await honest.end();
      report.made = { alone, attacks, faults: [...breaches, ...honest.faults], memory: watch.end() };
    },
    withinMs,
  );
  if (report.made === undefined) throw new Error("the story ended without a report");
  return report.made;
}

const line = (
  name: string,
  tried: number,
  { rate, p50Ms, p99Ms, turnedAway, visits }: Figures,
  share: number,
) =>
  `${name}: ${tried} tried; honest ${rate.toFixed(1)} receipts/s (${(share * 100).toFixed(0)} %), ` +
  `p50 ${p50Ms} ms, p99 ${p99Ms} ms, ${visits - turnedAway} of ${visits} visits let in`;

/** Memory of two processes, sampled. */
class Watch {
  readonly #pids: Readonly<Record<"broker" | "anchor", number>>;
  readonly #seen = { broker: { before: 0, peak: 0 }, anchor: { before: 0, peak: 0 } };
  #timer: NodeJS.Timeout | undefined;

  constructor(pids: Readonly<Record<"broker" | "anchor", number>>) {
    this.#pids = pids;
  }

  begin(): void {
    for (const name of ["broker", "anchor"] as const) this.#seen[name].before = this.#rss(name);
    this.#timer = setInterval(() => {
      for (const name of ["broker", "anchor"] as const)
        this.#seen[name].peak = Math.max(this.#seen[name].peak, this.#rss(name));
    }, 200);
  }

  end(): AttackersReport["memory"] {
    clearInterval(this.#timer);
    const { broker, anchor } = this.#seen;
    return {
      broker: { ...broker, after: this.#rss("broker") },
      anchor: { ...anchor, after: this.#rss("anchor") },
    };
  }

  #rss(name: "broker" | "anchor"): number {
    return Math.round(memory(this.#pids[name]).rss / MIB);
  }
}
