/**
 * The folder that a verb writes, and the command line that writes it again.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import process from "node:process";
import { isEvidenceError } from "@tallystick/evidence";
import { UsageError, type Arguments } from "@tallystick/evidence/node";

/** `-o`; undefined where nothing is to be written. @throws UsageError where it is there already */
export function outputOf(values: Arguments["values"]): string | undefined {
  const output = values["output"];
  if (typeof output !== "string") return undefined;
  if (existsSync(output)) throw new UsageError(`-o ${output}: is there already; name a new folder`);
  return output;
}

/** A folder beside the one to be, so that half a result is never taken for a whole one. */
export async function makeBeside(output: string): Promise<string> {
  const parent = dirname(resolve(output));
  await mkdir(parent, { recursive: true });
  return mkdtemp(resolve(parent, `.${basename(output)}.`));
}

/**
 * Where it can't be told whether evidence is good, because something is out of reach or unknown, that is said, and nothing is written.
 *
 * @returns the exit code
 * @throws whatever else it is
 */
export function cannotTell(verb: string, error: unknown): 3 {
  if (!isEvidenceError(error) || (error.disposition !== "retry" && error.code !== "log-unknown")) throw error;
  process.stderr.write(`tally-audit ${verb}: ${error.message} [${error.code}]; nothing was written\n`);
  return 3;
}

/** What a shell takes for the same words. */
export const quoted = (text: string): string =>
  /^[A-Za-z0-9._/:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
