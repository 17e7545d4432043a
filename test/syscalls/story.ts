/**
 * What both stories have in common: one program under strace through a fixed course of events, how it ended, and what was seen of it.
 *
 * @module
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import type { Exit } from "../../demo/program.ts";
import { finding, type Finding } from "../support/finding.ts";
import type { Daemon, Town } from "../support/town.ts";
import type { DataFiles, Group } from "./data-files.ts";
import {
  isTracing,
  ONE_FILE_THREAD,
  readTrace,
  straceCommand,
  type Call,
  type Fault,
  type Syscall,
  type Trace,
} from "./strace.ts";

export type Target = "anchor" | "agent";

/** One call to be failed, once. */
export type Case = {
  readonly target: Target;
  readonly group: Group;
  readonly syscall: Syscall;
  /** Which of its kind in the story, from 1. */
  readonly nth: number;
  readonly fault: Fault;
};

export const nameOf = ({ target, group, syscall, nth, fault }: Case): string =>
  `${target}: ${syscall} ${nth} on its ${group}: ${fault}`;

/** A program that was told a story, up to its end. */
export type Told = {
  readonly exit: Exit;
  readonly words: string;
  readonly trace: Trace;
  /** Its main thread, as strace numbers them. */
  readonly pid: string;
};

/** The program that is under test, of one story. */
export class Subject {
  readonly name: Daemon;
  readonly #town: Town;
  readonly #traceFile: string;
  readonly #logFrom: number;
  readonly #pid: string;
  readonly #ended: Promise<Exit>;

  /** Starts it; without a case nothing is failed, and everything is seen. */
  constructor(town: Town, name: Daemon, files: DataFiles, { group, syscall, nth, fault }: Partial<Case>) {
    this.name = name;
    this.#town = town;
    this.#traceFile = town.path("trace");
    this.#logFrom = existsSync(this.#logFile) ? statSync(this.#logFile).size : 0;
    const inject =
      syscall === undefined || nth === undefined || fault === undefined ? undefined : { syscall, nth, fault };
    const under = straceCommand({
      traceFile: this.#traceFile,
      ...(group === undefined ? {} : { paths: files[group] }),
      ...(inject === undefined ? {} : { inject }),
    });
    this.#pid = String(town.launch(name, { under, env: ONE_FILE_THREAD }).pid);
    this.#ended = town.letEnd(name);
  }

  get running(): boolean {
    return this.#town.isRunning(this.name);
  }

  /** Resolves when it is ready, or has ended. */
  async ready(): Promise<void> {
    await Promise.race([this.#town.ready(this.name).catch(() => undefined), this.#ended]);
  }

  /** Waits for a condition, while it runs. */
  async until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
    await this.#town.until(what, async () => !this.running || (await condition()));
  }

  /** Asks it to stop, if it still runs, and tells how it ended. */
  async end(): Promise<Told> {
    if (this.running) await this.#town.stop(this.name);
    const exit = await this.#ended;
    // The tracer outlives the program by a moment.
    await this.#town.until("strace has written all down", () => !isTracing(this.#traceFile));
    const words = readFileSync(this.#logFile).subarray(this.#logFrom).toString();
    return { exit, words, trace: readTrace(this.#traceFile), pid: this.#pid };
  }

  get #logFile(): string {
    return this.#town.path("log", `${this.name}.log`);
  }
}

/** How one case came out. `absent`: this telling had no such call, by the trace; `nothing injected`: it had, and nothing came of it. */
export type Outcome = {
  readonly how: "ended" | "survived" | "absent" | "nothing injected";
  /** The call that was failed. */
  readonly call?: Call;
  readonly findings: readonly Finding[];
};

/** How many calls of a kind the busiest thread made: strace counts for each thread. */
export function mostOfOneThread(calls: readonly Call[], syscall: Syscall): number {
  const ofKind = calls.filter((call) => call.syscall === syscall);
  return Math.max(0, ...[...Map.groupBy(ofKind, ({ pid }) => pid).values()].map(({ length }) => length));
}

/**
 * Whether this is SQLite's sync of the folder, for the name of a rollback journal: it takes no notice of a failure itself. The journal is that of the lock,
 * or of a database that holds nothing yet.
 */
export const isJournalName = ({ path, pid }: Call, told: Told): boolean =>
  pid === told.pid && !/\.(db|lock)(-\w+)?$/.test(path);

/**
 * Judges how the program took the fault (F7): it has ended with `storage-failed`, or by the signal; or it went on, which only a call may cause that `harmless`
 * says why.
 */
export function judge(one: Case, told: Told, harmless: (call: Call, told: Told) => boolean): Outcome {
  const { exit, words, trace } = told;
  const all = one.fault === "SIGKILL" ? trace.calls.slice(-1) : trace.calls.filter((some) => some.injected);
  // Two threads may have met their nth call each: it is the one that matters that has to end the program.
  const call = all.find((some) => !harmless(some, told)) ?? all[0];
  const injected = one.fault === "SIGKILL" ? trace.killed : call !== undefined;
  if (!injected || call === undefined) {
    const isThere = mostOfOneThread(trace.calls, one.syscall) >= one.nth;
    return { how: isThere ? "nothing injected" : "absent", findings: [] };
  }
  if (one.fault === "SIGKILL") {
    const findings = exit.signal === "SIGKILL" ? [] : [finding("F7", `killed, and ended with ${exit.code}`)];
    return { how: "ended", call, findings };
  }
  const at = trace.calls.indexOf(call);
  // A database that is being made has no write-ahead log yet: SQLite takes back what it had written, into a file that holds nothing of ours.
  const isBeingMade = !trace.calls.slice(0, at).some(({ path }) => path === `${call.path}-wal`);
  const retried =
    call.syscall.endsWith("sync") &&
    one.group !== "folder" &&
    !(call.path.endsWith(".db") && isBeingMade) &&
    trace.calls.slice(at + 1).some(({ path }) => path === call.path);
  if (exit.code === 0) {
    const findings = harmless(call, told)
      ? []
      : [finding("F7", `${call.syscall} of ${call.path} failed, and it went on`)];
    return { how: "survived", call, findings };
  }
  const findings: Finding[] = [];
  if (exit.code !== 1 || !/\[storage-(failed|full)\]/.test(words))
    findings.push(
      finding(
        "F7",
        `${call.syscall} of ${call.path} failed: ended with ${exit.signal ?? exit.code}: ${words}`,
      ),
    );
  if (retried) findings.push(finding("F7", `${call.path} was used again after its sync had failed`));
  return { how: "ended", call, findings };
}
