/**
 * Every system call: the calls of a story are counted, and then each of them is failed once, with each fault or with one that goes round; after each the
 * program is started again, and the world is checked.
 *
 * @module
 */
import { Dice } from "../support/dice.ts";
import { finding, WorldFault, type Finding } from "../support/finding.ts";
import type { Seen } from "../support/fault-run.ts";
import { WITNESS_SERVICE } from "../support/log-witness.ts";
import { Town } from "../support/town.ts";
import { AgentGround } from "./agent-ground.ts";
import { AnchorGround } from "./anchor-ground.ts";
import { GROUPS, type DataFiles } from "./data-files.ts";
import { MAX_CASES, type Ground } from "./ground.ts";
import { judge, mostOfOneThread, nameOf, type Case, type Outcome, type Target } from "./story.ts";
import { FAULTS, SYSCALLS, type Call } from "./strace.ts";

export type SyscallsOptions = {
  readonly seed: number;
  readonly target: Target;
  /** Each call with each fault; otherwise each with one, which the seed chooses. */
  readonly every: boolean;
  /** Time after which no further case is begun. */
  readonly withinMs: number;
  readonly say: (what: string) => void;
};

/** A story is told again where nothing was injected: now and then it has a call less than when it was counted. */
const ATTEMPTS = 3;
/** Of the cases tried, those whose call no telling had: the last calls of a kind, which only a story that was disturbed has. More would be a count that is wrong. */
const MAX_ABSENT_SHARE = 0.1;
const STORY_MS = 60_000;

const BROKER = {
  services: [
    { id: "anchor", publish: ["down", "checkpoint"], subscribe: ["up", "checkpoint"], whenSlow: "wait" },
    WITNESS_SERVICE,
  ],
};
/** Batches of one statement, and an anchor that begins at once: the story is short. */
const ANCHOR = { broker: { settleMs: 20 }, batch: { maxWaitMs: 20 } };

/** @throws WorldFault with the case in which something did not hold */
export async function runSyscalls(options: SyscallsOptions): Promise<Seen> {
  const startedMs = performance.now();
  const results = new Results();
  let cases: readonly Case[] | undefined;
  let done = 0;
  const inTime = (): boolean => performance.now() - startedMs < options.withinMs;
  while (cases === undefined || (done < cases.length && inTime())) {
    await inNewTown(options.target, async (ground) => {
      cases ??= await plan(ground, options, results);
      for (const one of cases.slice(done, done + MAX_CASES - ATTEMPTS)) {
        if (!inTime()) return;
        options.say(`${done + 1} of ${cases.length}: ${nameOf(one)}`);
        results.add(one, await attempt(ground, one));
        done += 1;
      }
    });
  }
  return results.seen(done, cases.length);
}

async function inNewTown(target: Target, work: (ground: Ground) => Promise<void>): Promise<void> {
  const story = async (town: Town): Promise<void> => {
    const ground = await (target === "anchor" ? AnchorGround.prepare(town) : AgentGround.prepare(town));
    try {
      await work(ground);
    } finally {
      await ground.end();
    }
  };
  await Town.run(story, { broker: BROKER, anchor: ANCHOR }, (MAX_CASES + 1) * STORY_MS);
}

/** Counts the calls of a story that nothing disturbs, and makes the list of what is to be failed, in an order by chance in which every kind of call comes early. */
async function plan(
  ground: Ground,
  { seed, every, say }: SyscallsOptions,
  results: Results,
): Promise<readonly Case[]> {
  say("counting the calls of the story");
  const files = ground.files();
  const told = await ground.tell({});
  if (told.exit.code !== 0)
    throw new Error(`the story without a fault ended with ${told.exit.code}: ${told.words}`);
  await finish(ground);
  const dice = new Dice(seed);
  const cases: Case[] = [];
  for (const group of GROUPS) {
    const calls = told.trace.calls.filter(({ path }) => files[group].includes(path));
    for (const syscall of SYSCALLS) {
      const count = mostOfOneThread(calls, syscall);
      results.count(`${group}: ${syscall}`, count);
      for (let nth = 1; nth <= count; nth++) {
        const faults = every ? FAULTS : FAULTS.filter((_, i) => i === (nth + seed) % FAULTS.length);
        cases.push(...faults.map((fault) => ({ target: ground.target, group, syscall, nth, fault })));
      }
    }
  }
  results.unlisted = unlisted(told.trace.calls, files);
  return inRounds(cases, dice);
}

/** One of each kind, and again: a run that is cut off has tried all kinds. */
function inRounds(cases: readonly Case[], dice: Dice): readonly Case[] {
  const kinds = Map.groupBy(dice.shuffled(cases), ({ group, syscall }) => `${group} ${syscall}`);
  const rounds: Case[] = [];
  for (let round = 0; rounds.length < cases.length; round++)
    for (const kind of kinds.values()) rounds.push(...kind.slice(round, round + 1));
  return rounds;
}

/** Files that the story wrote and nobody listed: their calls would never be failed. */
function unlisted(calls: readonly Call[], files: DataFiles): readonly string[] {
  const known = new Set(GROUPS.flatMap((group) => files[group]));
  const root = [...known].find((path) => path.endsWith(".db"))?.replace(/[^/]*$/, "") ?? "";
  return [...new Set(calls.map(({ path }) => path))].filter(
    (path) => path.startsWith(root) && !known.has(path),
  );
}

/** One case: the fault, the end, the start after it, the world. @throws WorldFault with the case's name */
async function attempt(ground: Ground, one: Case): Promise<Outcome> {
  for (let left = ATTEMPTS; ; left--) {
    const told = await ground.tell(one);
    const outcome = judge(one, told, (call, { words }) => ground.harmless(call, { ...told, words }));
    const findings = [...outcome.findings];
    try {
      findings.push(...(await finish(ground)));
    } catch (error) {
      throw new Error(
        `after ${nameOf(one)}${where(outcome)}: ${error instanceof Error ? error.message : String(error)}`,
        { cause: error },
      );
    }
    const injected = outcome.how === "ended" || outcome.how === "survived";
    if (!injected && left > 1 && findings.length === 0) continue;
    if (outcome.how === "nothing injected")
      findings.push(finding("F7", "nothing was injected, though the story had such a call"));
    // How the program took it is one thing, and the next case can still be tried; a world that is not whole ends the run.
    if (findings.some(({ invariant }) => invariant !== "F7"))
      throw new WorldFault(
        findings.map(({ invariant, text }) => finding(invariant, `${nameOf(one)}${where(outcome)}: ${text}`)),
      );
    return { ...outcome, findings };
  }
}

const where = ({ call }: Outcome): string =>
  call === undefined ? "" : ` (${call.path.split("/").slice(-2).join("/")})`;

async function finish(ground: Ground): Promise<readonly Finding[]> {
  await ground.recover();
  const { findings } = await ground.check();
  await ground.rest();
  return findings;
}

/** What came of it, by kind of call. */
class Results {
  unlisted: readonly string[] = [];
  readonly #counts = new Map<string, number>();
  readonly #outcomes = new Map<string, number>();
  readonly #findings: Finding[] = [];
  #absent = 0;

  count(kind: string, calls: number): void {
    if (calls > 0) this.#counts.set(kind, calls);
  }

  add(one: Case, outcome: Outcome): void {
    const { group, syscall, fault } = one;
    const { how, call, findings } = outcome;
    this.#findings.push(
      ...findings.map(({ invariant, text }) =>
        finding(invariant, `${nameOf(one)}${where(outcome)}: ${text}`),
      ),
    );
    if (how === "absent") this.#absent += 1;
    const file = how === "survived" ? ` of ${call?.path.split("/").at(-1) ?? ""}` : "";
    const what = `${group}: ${syscall}${file}, ${fault}: ${how}`;
    this.#outcomes.set(what, (this.#outcomes.get(what) ?? 0) + 1);
  }

  /** @throws WorldFault where a program did not end as it must, or the story writes files that are not on the list */
  seen(done: number, planned: number): Seen {
    const missed = this.unlisted.map((path) => finding("F7", `never failed, since nobody lists it: ${path}`));
    if (this.#absent > Math.max(1, done * MAX_ABSENT_SHARE))
      missed.push(finding("F7", `${this.#absent} of ${done} calls came in no telling of the story`));
    const findings = [...missed, ...this.#findings];
    if (findings.length > 0) throw new WorldFault(findings);
    return {
      "calls failed": `${done} of ${planned}`,
      ...Object.fromEntries([...this.#counts].map(([kind, count]) => [`calls of the story, ${kind}`, count])),
      ...Object.fromEntries(this.#outcomes),
    };
  }
}
