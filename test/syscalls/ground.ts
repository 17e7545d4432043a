/**
 * Where a program is tried: how its story goes, how it is set right again, and what is looked at afterwards.
 *
 * @module
 */
import type { Checked } from "../support/world-check.ts";
import type { DataFiles } from "./data-files.ts";
import type { Case, Target, Told } from "./story.ts";
import type { Call } from "./strace.ts";

/** Stories that one town sees; then comes a new one, so that the checks stay short. */
export const MAX_CASES = 60;

export type Ground = {
  readonly target: Target;
  /** The files that the next story will write. */
  files(): DataFiles;
  /** Tells the story up to the program's end, of its own accord or not. */
  tell(one: Partial<Case>): Promise<Told>;
  /** Starts the program as usual, and has it take what is new. */
  recover(): Promise<void>;
  /** The world check. */
  check(): Promise<Checked>;
  /** Makes the ground ready for the next story. */
  rest(): Promise<void>;
  end(): Promise<void>;
  /** Whether this call may fail and the program go on, and why: see there. */
  harmless(call: Call, told: Told): boolean;
};
