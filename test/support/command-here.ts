/**
 * Runs one command of a program within the test's own process: in a tenth of the time that a process of its own takes. What the
 * process has of its own (environment, exit) is for `audit-command.ts`.
 *
 * @module
 */
import process from "node:process";
import { runCommand, type Command } from "@tallystick/evidence/node";
import type { Ran } from "./audit-command.ts";

/** One at a time: what is written to stdout and stderr meanwhile is taken as the command's. */
export async function commandHere(command: Command, ...args: readonly string[]): Promise<Ran> {
  const streams = [process.stdout, process.stderr] as const;
  const writes = streams.map((stream) => stream.write.bind(stream));
  const texts = ["", ""];
  for (const [i, stream] of streams.entries()) {
    stream.write = (chunk: string | Uint8Array): boolean => {
      texts[i] += typeof chunk === "string" ? chunk : Buffer.from(chunk).toString("utf8");
      return true;
    };
  }
  try {
    const exit = await runCommand("tally-audit", "0", { run: command }, ["run", ...args]);
    return { exit, stdout: texts[0] ?? "", stderr: texts[1] ?? "" };
  } finally {
    for (const [i, stream] of streams.entries()) {
      const write = writes[i];
      if (write !== undefined) stream.write = write;
    }
  }
}
