/**
 * The profiles that a run left, read for its measured stages: where the microseconds of one statement went, thread by thread.
 *
 * @module
 */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Stage } from "./figures.ts";
import { summarise, type Profile, type Share } from "./profile-summary.ts";

/** Where each process of the town leaves its profiles, below the folder that was asked for. */
export const PROFILED = ["broker", "anchor", "load"] as const;
export type Profiled = (typeof PROFILED)[number];

export const profileFolder = (root: string, process: Profiled): string => join(root, process);

/** One thread in one stage; microseconds a statement. */
export type ThreadProfile = {
  readonly stage: string;
  readonly process: Profiled;
  readonly thread: string;
  readonly statements: number;
  readonly busyUs: number;
  /** Processor time by the kernel, where it is known for such threads; of signature threads all together. */
  readonly cpuUs: number | null;
  readonly kinds: readonly Share[];
  readonly places: readonly Share[];
  readonly functions: readonly Share[];
};

/** Entries of each list. */
const TOP = 12;

/** CPU.date.time.PID.THREAD.number.cpuprofile: thread 0 is the main one. */
const NAME = /^CPU\.\d+\.\d+\.\d+\.(\d+)\.\d+\.cpuprofile$/;

export function readStages(root: string, stages: readonly Stage[]): ThreadProfile[] {
  const found: ThreadProfile[] = [];
  for (const process of PROFILED) {
    const folder = profileFolder(root, process);
    if (!existsSync(folder)) continue;
    for (const file of readdirSync(folder).toSorted()) {
      const thread = NAME.exec(file)?.[1];
      if (thread === undefined) continue;
      const profile = JSON.parse(readFileSync(join(folder, file), "utf8")) as Profile;
      for (const stage of stages) {
        const covers = profile.startTime <= stage.fromUs && profile.endTime >= stage.toUs;
        if (covers) found.push(threadProfile(profile, stage, process, Number(thread)));
      }
    }
  }
  const order = stages.map(({ name }) => name);
  return found
    .filter(({ busyUs }) => busyUs > 0)
    .toSorted((a, b) => order.indexOf(a.stage) - order.indexOf(b.stage));
}

function threadProfile(profile: Profile, stage: Stage, process: Profiled, thread: number): ThreadProfile {
  const { name, statements, cpuS } = stage;
  const { busyUs, kinds, places, functions } = summarise(profile, stage);
  const each = (us: number): number => us / statements;
  const top = (shares: readonly Share[]): Share[] =>
    shares.slice(0, TOP).map(({ where, us }) => ({ where, us: each(us) }));
  const cpu = cpuS[thread === 0 ? `${process} main` : `${process} workers`];
  return {
    stage: name,
    process,
    thread: thread === 0 ? "main thread" : `thread ${thread}`,
    statements,
    busyUs: each(busyUs),
    cpuUs: cpu === undefined ? null : each(cpu * 1e6),
    kinds: top(kinds),
    places: top(places),
    functions: top(functions),
  };
}

/** As lines of text: main threads in detail, the others by kind. */
export function profileLines(profiles: readonly ThreadProfile[]): string[] {
  return profiles.flatMap(
    ({ stage, process, thread, statements, busyUs, cpuUs, kinds, places, functions }) => {
      const cpu = cpuUs === null ? "" : `; processor time by the kernel ${cpuUs.toFixed(1)}`;
      const main = thread === "main thread";
      const all = main || cpuUs === null ? cpu : `${cpu} of all such threads`;
      return [
        "",
        `${stage}: ${process}, ${thread}: ${busyUs.toFixed(1)} us a statement on the clock${all} (${statements} statements)`,
        ...columns("kind", kinds),
        ...(main ? [...columns("file or package, with what it called in Node", places)] : []),
        ...(main ? [...columns("function, the same", functions)] : []),
      ];
    },
  );
}

const columns = (title: string, shares: readonly Share[]): string[] => [
  `  by ${title}`,
  ...shares.map(({ where, us }) => `  ${us.toFixed(2).padStart(8)} us  ${where}`),
];
