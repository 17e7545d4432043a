/**
 * `npm start`: the whole town on one machine, as real processes on free loopback ports.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve as absolute } from "node:path";
import process from "node:process";
import { parseArgs } from "node:util";
import { isEvidenceError } from "@tallystick/evidence";
import { Live } from "./live.ts";
import { tellOnce } from "./once.ts";
import { Programs, ProgramError } from "./program.ts";
import { Town, type TownEvents } from "./town.ts";
import { count, journey } from "./words.ts";

const USAGE = `usage: npm start [-- [--once] [--data DIR]]

Starts a broker, an anchor, and an agent with a smart meter on a socket and this machine's own sensors.
--once       end after the first verified receipts, then show one changed bit refused
--data DIR   keep everything there, and go on from there the next time; without it nothing is kept
`;

type Options = { readonly once: boolean; readonly data: string | undefined };

function readOptions(): Options | undefined {
  try {
    const { values } = parseArgs({
      options: { once: { type: "boolean" }, data: { type: "string" }, help: { type: "boolean", short: "h" } },
    });
    if (values.help !== true) return { once: values.once === true, data: values.data };
    process.stdout.write(USAGE);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exitCode = 2;
  }
  return undefined;
}

/** Resolves with what asks the town to end. */
function askedToEnd(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => resolve(name));
    // nobody reads any more: `npm start | head`
    process.stdout.on("error", () => resolve("end of output"));
  });
}

/** Runs the town in `root` and resolves with the exit code. */
async function run(root: string, { once, data }: Options): Promise<number> {
  const startedAtMs = Date.now();
  mkdirSync(join(root, "log"), { recursive: true });
  const programs = new Programs(join(root, "log"));
  process.on("exit", () => programs.killAll());
  const asked = askedToEnd();
  const onTerminal = !once && process.stdout.isTTY && process.stdin.isTTY;
  let live: Live | undefined;
  const say = (line: string): void => {
    if (live === undefined) process.stdout.write(`${line}\n`);
    else live.say(line);
  };
  let first = true;
  const events: TownEvents = {
    receipted(receipted) {
      const hasReadings = receipted.readings.length > 0;
      // The table shows the rest.
      if (live === undefined || (first && hasReadings)) say(journey(receipted));
      else if (receipted.sent > 1) say(`   it came again: ${journey(receipted)}`);
      if (hasReadings) first = false;
    },
    bad: (code, text) => say(`!  what came over the wire is not what it claims to be: ${text} [${code}]`),
    rejected: (sub, code) => say(`!  the anchor advises against a statement of ${sub} [${code}]`),
    lost: (statements) =>
      say(`d  lost: a message with ${count(statements, "statement")}; nobody told the agent`),
  };
  let town: Town | undefined;
  let starting: Promise<Town> | undefined;
  try {
    say(`starting broker, anchor, meter and agent${data === undefined ? "" : ` in ${root}`}…`);
    starting = Town.start(root, programs, events);
    const started = await Promise.race([starting, asked]);
    if (typeof started === "string") return 0;
    town = started;
    say(
      `broker and anchor are up, the log is at ${town.anchorUrl}/; the first statements are sealed after two seconds`,
    );
    const ended = Promise.race([asked, town.broken]);
    if (once) {
      const told = await Promise.race([tellOnce(town, startedAtMs, say), ended]);
      return typeof told === "number" ? told : 1;
    }
    if (onTerminal) {
      live = new Live(town, startedAtMs, process.stdout, process.stdin);
      await live.run(ended);
      live = undefined;
    } else {
      await ended;
    }
    return 0;
  } finally {
    live = undefined;
    if (town !== undefined) {
      if (!once) say("stopping agent, anchor and broker…");
      await town.stop();
    }
    await programs.stopAll();
    await Promise.allSettled([starting]); // a start that was cut short still writes files until it notices
  }
}

/** What people can do something about: a program's last words, evidence, the file system. */
const isExpected = (error: unknown): error is Error =>
  error instanceof ProgramError || isEvidenceError(error) || (error instanceof Error && "code" in error);

const options = readOptions();
if (options !== undefined) {
  const root =
    options.data === undefined ? mkdtempSync(join(tmpdir(), "tallystick-")) : absolute(options.data);
  try {
    process.exitCode = await run(root, options);
  } catch (error) {
    if (!isExpected(error)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  } finally {
    if (options.data === undefined) rmSync(root, { recursive: true, force: true });
  }
  process.exit();
}
