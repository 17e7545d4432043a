/**
 * Programs in the configuration: which there are, and which streams the lines of each may be of.
 *
 * @module
 */
import { isAbsolute } from "node:path";
import { checkStreamPattern, streamAllowed } from "@tallystick/evidence";
import * as z from "zod";
import { name, passes, Seal, sealSettings, seconds, whole, type SealSettings } from "./config-parts.ts";
import type { ProgramOptions } from "../sources/exec/program.ts";

const pattern = z
  .string()
  .superRefine(passes(checkStreamPattern))
  .refine(
    (text) => text !== "*" && text !== "sys" && text !== "registry",
    "name streams, or a prefix that ends in /*; sys and registry are reserved",
  );

export const Program = z.strictObject({
  name: name(32),
  command: z
    .array(z.string().min(1).max(4096))
    .min(1, "give the program's file, and its arguments")
    .max(64)
    .refine(
      ([file = ""]) => isAbsolute(file),
      "the program's file is given from / on; no shell looks for it",
    ),
  streams: z.array(pattern).min(1, "name the streams that its lines may be of").max(64),
  maxStreams: whole(1, 1000).default(100),
  interval: seconds(0, 31 * 86_400).default(0),
  again: seconds(0.1, 86_400).default(60),
  maxLinesPerS: whole(1, 100_000).default(1000),
  remember: whole(1000, 10_000_000).default(100_000),
  seal: Seal.prefault({}),
});

export type ProgramSettings = ProgramOptions & {
  /** Streams that its lines may be of: names, and prefixes that end in `/*`. */
  readonly patterns: readonly string[];
  readonly maxStreams: number;
  /** Seconds expected between readings; 0 where they come as they come. */
  readonly intervalS: number;
  /** How many of its lines are known again at least. */
  readonly remember: number;
  readonly seal: SealSettings;
};

/** With every default filled in. */
export const programSettings = (
  { streams, interval, again, seal, ...program }: z.output<typeof Program>,
  metered: boolean,
): ProgramSettings => ({
  ...program,
  patterns: streams,
  intervalS: interval,
  againS: again,
  seal: sealSettings(seal, metered),
});

/** True where one of `patterns` covers the stream; the agent's own streams are no program's. */
export const isStreamOf = (patterns: readonly string[], sub: string): boolean =>
  sub !== "sys" && sub !== "registry" && streamAllowed(patterns, sub);

/** A name is one program's, and a stream comes from one place. */
export function* programFaults(
  streams: readonly { readonly name: string }[],
  programs: readonly z.output<typeof Program>[],
): Generator<readonly [path: readonly (string | number)[], message: string], void, undefined> {
  const taken: string[] = streams.map((stream) => stream.name);
  for (const [i, program] of programs.entries()) {
    if (programs.findIndex((one) => one.name === program.name) < i)
      yield [[i, "name"], "another program has this name already"];
    for (const [j, mine] of program.streams.entries()) {
      const other = taken.find((one) => overlap(one, mine));
      if (other !== undefined) yield [[i, "streams", j], `${other} covers these streams already`];
      taken.push(mine);
    }
  }
}

/** Whether there is a stream that both patterns cover. */
const overlap = (a: string, b: string): boolean => {
  const [aRoot, bRoot] = [a, b].map((one) => (one.endsWith("*") ? one.slice(0, -1) : one)) as [
    string,
    string,
  ];
  return (
    a === b || (a.endsWith("*") && bRoot.startsWith(aRoot)) || (b.endsWith("*") && aRoot.startsWith(bRoot))
  );
};
