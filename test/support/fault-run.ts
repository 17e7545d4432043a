/**
 * The frame of the fault runs as commands: options, progress on a terminal, one report at the end, and a failure that says how to repeat it.
 *
 * Exit codes: 0 everything held; 1 something did not, or the run broke; 2 usage.
 *
 * @module
 */
import process from "node:process";
import type { ParseArgsOptionsConfig } from "node:util";
import { anySeed } from "./dice.ts";
import { WorldFault, type Finding } from "./finding.ts";
import { OptionFault, readOptions, wholeOf, withUsage } from "./options.ts";

/** What a run saw: figures by name. */
export type Seen = Readonly<Record<string, number | string>>;

export type RunContext = {
  readonly seed: number;
  /** What was given for the run's own options. */
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  /** Says what is going on, to people who watch. */
  readonly say: (what: string) => void;
};

export type FaultRun = {
  readonly name: string;
  /** One line on what it does, and lines on its own options. */
  readonly about: string;
  readonly options: ParseArgsOptionsConfig;
  /** @throws WorldFault where an invariant does not hold; Error where the run itself broke */
  readonly run: (context: RunContext) => Promise<Seen>;
};

const COMMON = {
  seed: { type: "string" },
  json: { type: "boolean" },
  help: { type: "boolean", short: "h" },
} as const;

/** Runs it with the process's arguments, and sets the exit code. */
export async function faultRun(run: FaultRun): Promise<void> {
  const usage = `usage: npm run ${run.name} -- ${run.about}\n  --seed N  repeat a run that was made with this number\n  --json    the report as JSON\n`;
  await withUsage(usage, () => runWithOptions(run, usage));
}

async function runWithOptions(run: FaultRun, usage: string): Promise<void> {
  const values = argumentsOf(run.options);
  if (values["help"] === true) {
    process.stdout.write(usage);
    return;
  }
  const given = values["seed"];
  const seed = given === undefined ? anySeed() : wholeOf("seed", String(given)) >>> 0;
  const startedMs = performance.now();
  const progress = new Progress(run.name, startedMs);
  let seen: Seen = {};
  let fault: Error | undefined;
  try {
    seen = await run.run({ seed, values, say: (what) => progress.say(what) });
  } catch (error) {
    if (error instanceof OptionFault) throw error;
    fault = error instanceof Error ? error : new Error(String(error));
  }
  progress.end();
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  process.stdout.write(
    values["json"] === true
      ? `${JSON.stringify({ run: run.name, seed, seconds, held: fault === undefined, seen, ...failureOf(fault) })}\n`
      : report(run.name, seed, seconds, seen, fault),
  );
  process.exitCode = fault === undefined ? 0 : 1;
}

function argumentsOf(own: ParseArgsOptionsConfig): RunContext["values"] {
  const values = readOptions({ ...own, ...COMMON });
  return Object.fromEntries(Object.entries(values).filter(([, value]) => !Array.isArray(value)));
}

function report(name: string, seed: number, seconds: number, seen: Seen, fault?: Error): string {
  const lines = Object.entries(seen).map(([what, value]) => `  ${what.padEnd(36)} ${value}`);
  const verdict = fault === undefined ? "everything held" : `FAILED; repeat it with --seed ${seed}`;
  const words = fault === undefined ? [] : [fault.message];
  return [`${name}: ${verdict} (seed ${seed}, ${seconds} s)`, ...lines, ...words, ""].join("\n");
}

function failureOf(fault?: Error): { findings?: readonly Finding[]; error?: string } {
  if (fault === undefined) return {};
  const error = fault.message;
  return fault instanceof WorldFault ? { findings: fault.findings, error } : { error };
}

/** One line that is written over and over on a terminal; lines of their own, and fewer, elsewhere. */
class Progress {
  readonly #name: string;
  readonly #startedMs: number;
  #last = "";
  #toldMs = -Infinity;

  constructor(name: string, startedMs: number) {
    this.#name = name;
    this.#startedMs = startedMs;
  }

  say(what: string): void {
    const nowMs = performance.now();
    const line = `${this.#name} ${((nowMs - this.#startedMs) / 1000).toFixed(0)} s: ${what}`;
    if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${line}`);
    else if (nowMs - this.#toldMs > 30_000 && line !== this.#last) process.stderr.write(`${line}\n`);
    else return;
    this.#last = line;
    this.#toldMs = nowMs;
  }

  end(): void {
    if (process.stderr.isTTY) process.stderr.write("\r\u001B[K");
  }
}

/** A number of an option. @throws OptionFault that names it */
export function numberOf(values: RunContext["values"], name: string, byDefault: number): number {
  const given = values[name];
  if (given === undefined) return byDefault;
  const number = Number(given);
  if (!(number > 0)) throw new OptionFault(`--${name}: give a number above 0`);
  return number;
}
