/** The frame of a program: a command gets the arguments that it takes, and what is too much is told. */
import process from "node:process";
import { expect, test } from "vitest";
import type { Arguments, Command } from "@tallystick/evidence/node";
import { commandHere } from "../../support/command-here.ts";

const command = (takes?: number): Command => ({
  summary: "do it",
  usage: "[FILE] [--json]",
  options: { json: { type: "boolean" } },
  ...(takes !== undefined && { takes }),
  run({ positionals }: Arguments) {
    process.stdout.write(positionals.join(" "));
    return Promise.resolve();
  },
});

test.for<[string, number | undefined, readonly string[], number, string]>([
  ["nothing", undefined, [], 0, ""],
  ["one that none takes", undefined, ["x"], 2, "Unexpected argument 'x'; usage: [FILE] [--json]"],
  ["an option without its dashes", undefined, ["--json", "wait"], 2, "Unexpected argument 'wait'"],
  ["one", 1, ["a"], 0, "a"],
  ["one too many", 1, ["a", "b"], 2, "Unexpected argument 'b'"],
  ["one behind the dashes", undefined, ["--", "--json"], 2, "Unexpected argument '--json'"],
  ["many", Infinity, ["a", "b", "c"], 0, "a b c"],
  ["a question for help", undefined, ["x", "--help"], 0, "do it"],
])("%s", async ([, takes, args, exit, said]) => {
  const ran = await commandHere(command(takes), ...args);
  expect([ran.exit, ran.stdout + ran.stderr]).toEqual([exit, expect.stringContaining(said)]);
});
