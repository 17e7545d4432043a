/**
 * Options of the project's own runs: what is wrong with them is said with what there is, and ends the process with 2.
 *
 * @module
 */
import process from "node:process";
import { parseArgs, type ParseArgsOptionsConfig } from "node:util";

/** What is wrong with an option, and what to give in its place. */
export class OptionFault extends Error {}

/**
 * The options given to this process.
 *
 * @throws OptionFault for one that isn't there, or has no value
 */
export function readOptions<const T extends ParseArgsOptionsConfig>(
  options: T,
): ReturnType<typeof parseArgs<{ options: T }>>["values"] {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new OptionFault(error instanceof Error ? error.message : String(error));
  }
}

/** A whole number of an option, from `least`. @throws OptionFault that names it */
export function wholeOf(name: string, text: string, least = 0): number {
  const value = Number(text);
  if (/^\d{1,15}$/.test(text) && value >= least) return value;
  throw new OptionFault(`--${name}: give a whole number from ${least}`);
}

/** Runs `work`; an option that is wrong is told with `usage`, and the exit code is 2. */
export async function withUsage(usage: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    if (!(error instanceof OptionFault)) throw error;
    process.stderr.write(`${error.message}\n${usage}`);
    process.exitCode = 2;
  }
}
