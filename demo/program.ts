/**
 * The programs as real processes: started, waited for, ended, and heard out when they die.
 *
 * @module
 */
import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

export type ProgramName = "agent" | "anchor" | "audit" | "broker";

/** How long a program may take to stop before it is killed: longer than any of them gives itself. */
const STOP_MS = 20_000;
/** Lines of a program's log that are shown when it dies. */
const LAST_LINES = 5;

export const mainOf = (name: ProgramName): string => join(import.meta.dirname, "..", name, "src", "main.ts");

/** The environment without settings that are meant for the programs of somebody else's town. */
const environment = (): NodeJS.ProcessEnv =>
  Object.fromEntries(Object.entries(process.env).filter(([key]) => !key.startsWith("TALLYSTICK_")));

/** A program that ended when it should not have, or that did not succeed. */
export class ProgramError extends Error {
  override readonly name = "ProgramError";
}

/** How a process ended: with a code of its own, or by a signal. */
export type Exit = { readonly code: number | null; readonly signal: NodeJS.Signals | null };

/** What a command that ran to its end printed. */
export type Finished = { readonly code: number | null; readonly stdout: string; readonly stderr: string };

export type StartOptions = {
  /** Its log's file is called so, where one program runs several times: by default as the program. */
  readonly label?: string;
  /** A command line that the program's own is appended to: `strace …`. It has to leave the program its process id. */
  readonly under?: readonly string[];
};

export type ProgramsOptions = {
  /** Each program has a process group of its own: Ctrl-C goes to the town alone, which ends its programs in their order. */
  readonly ownGroups?: boolean;
  /** What is run in place of a program's sources: its shipped build. */
  readonly mains?: Readonly<Partial<Record<ProgramName, string>>>;
};

/** Every process of the town, so that none outlives it. */
export class Programs {
  readonly #children = new Set<ChildProcess>();
  readonly #logFolder: string;
  readonly #ownGroups: boolean;
  readonly #mains: NonNullable<ProgramsOptions["mains"]>;
  #closed = false;

  /** @param logFolder - each program's log goes to a file in it */
  constructor(logFolder: string, { ownGroups = true, mains = {} }: ProgramsOptions = {}) {
    this.#logFolder = logFolder;
    this.#ownGroups = ownGroups;
    this.#mains = mains;
  }

  /** Starts a program that goes on; its log is kept. `env` is added to the environment. */
  start(
    name: ProgramName,
    args: readonly string[],
    env: NodeJS.ProcessEnv = {},
    { label = name, under = [] }: StartOptions = {},
  ): Program {
    const logFile = join(this.#logFolder, `${label}.log`);
    const log = openSync(logFile, "a");
    try {
      return new Program(name, this.#spawn(name, args, log, env, under), logFile);
    } finally {
      closeSync(log); // the program has its own
    }
  }

  /** Runs a command to its end, whatever its exit code. */
  async run(name: ProgramName, args: readonly string[]): Promise<Finished> {
    const child = this.#spawn(name, args, "pipe");
    const [stdout, stderr, [code]] = await Promise.all([
      textOf(child.stdout),
      textOf(child.stderr),
      once(child, "close"),
    ]);
    return { code: code as number | null, stdout, stderr };
  }

  /** As {@link run}, for a command that has to succeed. @throws ProgramError with what it said */
  async must(name: ProgramName, args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(name, args);
    if (code === 0) return stdout;
    throw new ProgramError(
      `tally-${name} ${args[0]} failed:\n${readable(stderr.trim().split("\n")).join("\n")}`,
    );
  }

  /** Asks all that still run to stop, and waits; whoever takes too long is killed. Nothing can be started from then on. */
  async stopAll(): Promise<void> {
    this.#closed = true;
    const overdue = setTimeout(() => this.killAll(), STOP_MS);
    const running = [...this.#children];
    for (const child of running) child.kill("SIGTERM");
    await Promise.all(running.map((child) => once(child, "close")));
    clearTimeout(overdue);
  }

  /** The last resort, which can't wait. */
  killAll(): void {
    for (const child of this.#children) child.kill("SIGKILL");
  }

  #spawn(
    name: ProgramName,
    args: readonly string[],
    log: number | "pipe",
    env: NodeJS.ProcessEnv = {},
    under: readonly string[] = [],
  ): ChildProcess {
    if (this.#closed) throw new ProgramError("the town is being closed");
    const [command = "", ...rest] = [...under, process.execPath, this.#mains[name] ?? mainOf(name), ...args];
    const child = spawn(command, rest, {
      stdio: ["ignore", "pipe", log],
      detached: this.#ownGroups,
      env: { ...environment(), ...env },
    });
    this.#children.add(child);
    child.on("close", () => this.#children.delete(child));
    return child;
  }
}

async function textOf(stream: NodeJS.ReadableStream | null): Promise<string> {
  let text = "";
  if (stream !== null) for await (const chunk of stream) text += String(chunk);
  return text;
}

export class Program {
  readonly name: ProgramName;
  /** Resolves when it has ended, for whatever reason, with what it said last. */
  readonly ended: Promise<ProgramError>;
  readonly #child: ChildProcess;
  readonly #logFile: string;
  readonly #firstLine: Promise<string>;
  #exit: Exit | undefined;

  /** @param logFile - where its log goes, after what an earlier start left there */
  constructor(name: ProgramName, child: ChildProcess, logFile: string) {
    this.name = name;
    this.#child = child;
    this.#logFile = logFile;
    this.ended = once(child, "close").then(([code, signal]) => {
      this.#exit = { code: code as Exit["code"], signal: signal as Exit["signal"] };
      const how = signal === null ? `exit code ${String(code)}` : String(signal);
      return new ProgramError(`tally-${name} ended (${how}); its last words:\n  ${this.lastWords()}`);
    });
    this.#firstLine = new Promise((resolve) => {
      if (child.stdout !== null) createInterface({ input: child.stdout }).once("line", resolve);
    });
  }

  get running(): boolean {
    return this.#exit === undefined;
  }

  /** How it ended; undefined while it runs. */
  get exit(): Exit | undefined {
    return this.#exit;
  }

  /** @throws ProgramError where it could not be started */
  get pid(): number {
    const { pid } = this.#child;
    if (pid === undefined) throw new ProgramError(`tally-${this.name} did not start`);
    return pid;
  }

  /** The end of its log. */
  lastWords(): string {
    const words = readFileSync(this.#logFile, "utf8").trimEnd().split("\n").slice(-LAST_LINES);
    return readable(words).join("\n  ");
  }

  /** The line on stdout with which it says that it is ready. @throws ProgramError if it ends before */
  async ready(): Promise<string> {
    return Promise.race([
      this.#firstLine,
      this.ended.then((error): never => {
        throw error;
      }),
    ]);
  }

  /** Asks it to stop and waits; kills it if that takes too long. */
  async stop(): Promise<void> {
    if (this.#exit !== undefined) return;
    this.#child.kill("SIGTERM");
    const overdue = setTimeout(() => this.#child.kill("SIGKILL"), STOP_MS);
    await this.ended;
    clearTimeout(overdue);
  }

  /** As a power cut would: no time for anything. */
  async kill(): Promise<void> {
    if (this.#exit !== undefined) return;
    this.#child.kill("SIGKILL");
    await this.ended;
  }
}

/** Lines of a log for people: of pino's JSON the message, its code and what went wrong. */
function readable(lines: readonly string[]): readonly string[] {
  return lines.map((line) => {
    try {
      const { msg, code, err } = JSON.parse(line) as {
        msg?: string;
        code?: string;
        err?: { message?: string };
      };
      return (
        [msg, err?.message, code === undefined ? undefined : `[${code}]`].filter(Boolean).join(" ") || line
      );
    } catch {
      return line;
    }
  });
}
