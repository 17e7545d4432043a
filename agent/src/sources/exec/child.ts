/**
 * One run of a program: lines come from its standard output, answers go to its standard input, and what it says on standard error is logged, not
 * without end. It leads a process group of its own, so that whatever it started ends with it.
 *
 * @module
 */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import process from "node:process";
import type { Readable, Writable } from "node:stream";
import { setTimeout as delay } from "node:timers/promises";
import { Bucket } from "@tallystick/evidence/node";
import type { SourceContext } from "../source.ts";

/** How long things may take. Tests give shorter times. */
export type ChildPatience = {
  /** A program that was asked to end is killed after this. */
  readonly endMs: number;
  /** One that doesn't read its answers is ended after this. */
  readonly deafMs: number;
};

/** Of what the agent's own environment has, a program gets no more than this. */
const PASSED_ON = ["PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR"] as const;

/** Lines of standard error that are logged at once, then each second; and of each line. */
const STDERR_LINES = 20;
const STDERR_LINES_PER_S = 1;
const STDERR_CHARACTERS = 500;
/** What has outlived its program by this long is killed. */
const ORPHAN_MS = 1000;

export type ChildOptions = {
  readonly name: string;
  readonly command: readonly string[];
  readonly patience: ChildPatience;
  readonly context: SourceContext;
};

export class Child {
  readonly #process: ChildProcessByStdio<Writable, Readable, Readable>;
  readonly #options: ChildOptions;
  readonly #exited = Promise.withResolvers<string>();
  #isDeaf = false;
  #hears = true;

  constructor(options: ChildOptions) {
    this.#options = options;
    const [file = "", ...args] = options.command;
    const env = Object.fromEntries(
      PASSED_ON.flatMap((key) => (process.env[key] === undefined ? [] : [[key, process.env[key]]])),
    ) as NodeJS.ProcessEnv;
    this.#process = spawn(file, args, { stdio: ["pipe", "pipe", "pipe"], detached: true, env });
    this.#process.on("error", (error) => this.#exited.resolve(`can't be run: ${error.message}`));
    this.#process.on("exit", (code, signal) => {
      this.#exited.resolve(
        signal === null ? (code === 0 ? "" : `ended with code ${code}`) : `ended by ${signal}`,
      );
      setTimeout(() => this.#kill("SIGKILL"), ORPHAN_MS).unref();
    });
    // Who closes its standard input doesn't want to hear, and is right to.
    this.#process.stdin.on("error", () => (this.#hears = false));
    void this.#logStderr();
  }

  /** What it prints. Nothing is read while nobody pulls: a full pipe makes the program wait. */
  async *chunks(): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for await (const chunk of this.#process.stdout) yield chunk as Uint8Array;
    } catch {
      // it was closed from here
    }
  }

  /** How it ended: why not well, or nothing. */
  async ended(): Promise<string> {
    const how = await this.#exited.promise;
    return this.#isDeaf ? "doesn't read its answers: read standard input, or close it" : how;
  }

  /** Writes answers. A program that doesn't read them is ended. */
  async answer(text: string): Promise<void> {
    const { stdin } = this.#process;
    if (!this.#hears || text === "" || stdin.destroyed || stdin.write(text)) return;
    const heard = Promise.withResolvers<boolean>();
    const settle = (): void => heard.resolve(true);
    for (const event of ["drain", "close", "error"]) stdin.once(event, settle);
    const overdue = setTimeout(() => heard.resolve(false), this.#options.patience.deafMs);
    const isHeard = await heard.promise;
    clearTimeout(overdue);
    for (const event of ["drain", "close", "error"]) stdin.off(event, settle);
    if (isHeard) return;
    this.#isDeaf = true;
    await this.stop();
  }

  /** Ends it: its standard input first, then SIGTERM, then SIGKILL. */
  async stop(): Promise<void> {
    const { stdin, stdout } = this.#process;
    stdin.destroy();
    this.#kill("SIGTERM");
    const late = new AbortController();
    const isOver = await Promise.race([
      this.#exited.promise.then(() => true),
      delay(this.#options.patience.endMs, false, { signal: late.signal }).catch(() => false),
    ]);
    late.abort();
    if (!isOver) this.#kill("SIGKILL");
    stdout.destroy();
  }

  #kill(signal: NodeJS.Signals): void {
    const { pid } = this.#process;
    if (pid === undefined) return;
    try {
      process.kill(-pid, signal);
    } catch {
      // the whole group has ended
    }
  }

  async #logStderr(): Promise<void> {
    const { name, context } = this.#options;
    const nowMs = (): number => context.clock.monotonicMs();
    const bucket = new Bucket(STDERR_LINES_PER_S, nowMs(), { capacity: STDERR_LINES });
    let left = "";
    let omitted = 0;
    const say = (line: string): void => {
      if (line === "") return;
      if (!bucket.take(nowMs())) {
        omitted += 1;
        return;
      }
      if (omitted > 0) context.log.warn(`${name}: ${omitted} lines of its standard error were left out`);
      omitted = 0;
      context.log.info(`${name}: stderr: ${shown(line)}`);
    };
    try {
      for await (const chunk of this.#process.stderr) {
        const lines = (left + (chunk as Buffer).toString("latin1")).split("\n");
        left = (lines.pop() ?? "").slice(0, STDERR_CHARACTERS);
        for (const line of lines) say(line);
      }
    } catch {
      // it was closed from here
    }
    say(left);
  }
}

/** hostile: a program doesn't get to move the cursor, nor to fill the log. */
const shown = (latin1: string): string =>
  Buffer.from(latin1.slice(0, STDERR_CHARACTERS), "latin1")
    .toString("utf8")
    .replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
