/**
 * A program of the project as a child process, from its sources and with Node alone, as an operator starts it.
 *
 * @module
 */
import { spawn, type ChildProcess } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { createInterface } from "node:readline";

const ROOT = join(import.meta.dirname, "..");
/** How long a clean stop may take. */
const STOP_MS = 20_000;

export type Program = "agent" | "anchor" | "audit" | "broker";

export const mainOf = (program: Program): string => join(ROOT, program, "src", "main.ts");

export type ChildOptions = {
  /** Its stderr goes there, for whoever wants to know why. */
  readonly log: string;
  readonly nodeOptions?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
};

export class Child {
  readonly name: string;
  readonly #process: ChildProcess;
  readonly #log: string;
  readonly #exited: Promise<number | null>;

  private constructor(name: string, child: ChildProcess, log: string) {
    this.name = name;
    this.#process = child;
    this.#log = log;
    this.#exited = new Promise((resolve) => child.once("exit", (code) => resolve(code)));
  }

  static start(
    program: Program,
    args: readonly string[],
    { log, nodeOptions = [], env = {} }: ChildOptions,
  ): Child {
    const out = openSync(log, "a");
    const child = spawn(process.execPath, [...nodeOptions, mainOf(program), ...args], {
      stdio: ["ignore", "pipe", out],
      env: { ...process.env, ...env },
    });
    closeSync(out);
    return new Child(program, child, log);
  }

  get pid(): number {
    const { pid } = this.#process;
    if (pid === undefined) throw new Error(`${this.name} did not start`);
    return pid;
  }

  /** Resolves with the exit code; null where a signal ended it. */
  get exited(): Promise<number | null> {
    return this.#exited;
  }

  /** The first line on stdout: that the program is ready. @throws Error with the end of its log where it ends before */
  async firstLine(): Promise<string> {
    const { stdout } = this.#process;
    if (stdout === null) throw new Error(`${this.name} has no stdout`);
    const lines = createInterface({ input: stdout });
    const line = new Promise<string>((resolve) => lines.once("line", resolve));
    const ended = this.#exited.then((code) => {
      throw new Error(`${this.name} ended with ${code}: ${this.lastWords()}`);
    });
    const first = await Promise.race([line, ended]);
    ended.catch(() => undefined);
    return first;
  }

  /** All of stdout, once the program has ended. @throws Error where its exit code is not 0 */
  async output(): Promise<string> {
    const { stdout } = this.#process;
    let text = "";
    stdout?.setEncoding("utf8").on("data", (part: string) => {
      text += part;
    });
    const closed = new Promise<void>((resolve) => this.#process.once("close", () => resolve()));
    const code = await this.#exited;
    await closed;
    if (code !== 0) throw new Error(`${this.name} ended with ${code}: ${this.lastWords()}${text}`);
    return text;
  }

  lastWords(): string {
    return readFileSync(this.#log, "utf8").slice(-2000);
  }

  /** Asks it to stop, and waits until it has; a process that does not is killed. */
  async stop(): Promise<void> {
    this.#process.kill("SIGTERM");
    const overdue = setTimeout(() => this.#process.kill("SIGKILL"), STOP_MS);
    await this.#exited;
    clearTimeout(overdue);
  }
}
