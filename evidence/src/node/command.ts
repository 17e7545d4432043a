/**
 * The frame of a command-line program: options, help, exit codes, and one clear line for each error.
 *
 * Exit codes: 0 good; 1 bad evidence, findings, or failed; 2 usage; 3 can't tell.
 *
 * @module
 */
import process from "node:process";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { isEvidenceError } from "../errors.ts";
import { ConfigError } from "./config.ts";

export const EXIT = { good: 0, failed: 1, usage: 2, cannotTell: 3 } as const;

/** The caller asked for something that does not exist: exit code 2. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

type Values = Readonly<Record<string, string | boolean | (string | boolean)[] | undefined>>;
export type Arguments = { readonly values: Values; readonly positionals: readonly string[] };

export type Command = {
  /** One line for the list of commands. */
  readonly summary: string;
  /** What follows the command's name, e.g. `FILE… --policy P [--json]`. */
  readonly usage: string;
  /** Lines about options and exit codes, shown by --help. */
  readonly details?: string;
  readonly options: ParseArgsOptionsConfig;
  /** How many arguments it takes beside its options, at most; by default none. */
  readonly takes?: number;
  /** Resolves to the exit code; nothing means 0. */
  run(given: Arguments): Promise<number | void>;
};

/**
 * Runs one of `commands` as `argv` asks and returns the exit code. Two-word commands ("config check") are looked for first.
 * Errors are printed on stderr as one line (a configuration's faults one line each), with the code where there is one.
 */
export async function runCommand(
  program: string,
  version: string,
  commands: Readonly<Record<string, Command>>,
  argv: readonly string[],
): Promise<number> {
  const [first = "", second = ""] = argv;
  if (first === "" || first === "--help" || first === "-h" || first === "help") {
    (first === "" ? process.stderr : process.stdout).write(overview(program, commands));
    return first === "" ? EXIT.usage : EXIT.good;
  }
  if (first === "--version") {
    process.stdout.write(`${program} ${version}\n`);
    return EXIT.good;
  }
  const name = Object.hasOwn(commands, `${first} ${second}`) ? `${first} ${second}` : first;
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined;
  if (command === undefined) {
    const near = Object.keys(commands).filter((one) => one.startsWith(`${first} `));
    const known = near.length > 0 ? near : Object.keys(commands);
    process.stderr.write(`${program}: no such command: ${first}; there are: ${known.join(", ")}\n`);
    return EXIT.usage;
  }
  try {
    const given = readArguments(command, argv.slice(name.split(" ").length));
    if (given.values["help"] === true) {
      process.stdout.write(help(program, name, command));
      return EXIT.good;
    }
    return (await command.run(given)) ?? EXIT.good;
  } catch (error) {
    return report(`${program} ${name}`, error);
  }
}

/** Prints an error as its one line and tells the exit code that it stands for. */
export function report(who: string, error: unknown): number {
  if (error instanceof UsageError) {
    process.stderr.write(`${who}: ${error.message}\n`);
    return EXIT.usage;
  }
  if (error instanceof ConfigError) {
    for (const fault of error.faults) process.stderr.write(`${who}: ${fault}\n`);
    return EXIT.usage;
  }
  if (error instanceof AggregateError) {
    for (const one of error.errors) report(who, one);
    return EXIT.failed;
  }
  if (isEvidenceError(error)) {
    const where = Object.entries(error.where).map(([key, value]) => `${key} ${value}`);
    process.stderr.write(
      `${who}: ${error.message}${where.length > 0 ? ` (${where.join(", ")})` : ""} [${error.code}]\n`,
    );
    return EXIT.failed;
  }
  const text = error instanceof Error ? error.message : String(error);
  process.stderr.write(`${who}: ${text}\n`);
  return EXIT.failed;
}

function readArguments(command: Command, args: readonly string[]): Arguments {
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: { ...command.options, help: { type: "boolean", short: "h" } },
      allowPositionals: true,
      strict: true,
    });
    const stray = values.help === true ? undefined : positionals[command.takes ?? 0];
    // One that is passed over in silence may be what was meant: another file, another device, an option without its dashes.
    if (stray !== undefined) throw new Error(`Unexpected argument '${stray}'`);
    return { values, positionals };
  } catch (cause) {
    const text = cause instanceof Error ? (cause.message.split(". ")[0] ?? "") : String(cause);
    throw new UsageError(`${text}; usage: ${command.usage}`);
  }
}

const overview = (program: string, commands: Readonly<Record<string, Command>>): string => {
  const width = Math.max(...Object.keys(commands).map((name) => name.length));
  const rows = Object.entries(commands).map(([name, { summary }]) => `  ${name.padEnd(width)}  ${summary}\n`);
  return `usage: ${program} COMMAND …\n\n${rows.join("")}\n${program} COMMAND --help says more of one.\n`;
};

const help = (program: string, name: string, { summary, usage, details }: Command): string =>
  `usage: ${program} ${name} ${usage}\n\n${summary}\n${details === undefined ? "" : `\n${details}\n`}`;

/** The value of a text option, or a usage error that names it. */
export function required(values: Values, name: string): string {
  const value = values[name];
  if (typeof value !== "string" || value === "") throw new UsageError(`--${name} is missing`);
  return value;
}
