/**
 * `npm start -- --once`: the first verified receipts of each stream, a bundle of each, and one changed bit refused.
 *
 * @module
 */
import { basename } from "node:path";
import { SYSTEM_STREAM } from "@tallystick/evidence";
import { tamperWithBundle, verdictWords, writeBundle } from "./auditing.ts";
import { ISS, STREAMS } from "./folder.ts";
import { ProgramError } from "./program.ts";
import type { Town } from "./town.ts";
import { count } from "./words.ts";

/** The first receipts have to be there by then. */
const RECEIPTS_MS = 60_000;
/** After the agent stopped, the ledger takes its last statements within this time. */
const SETTLE_MS = 10_000;
const LOOK_MS = 50;

type Say = (line: string) => void;

/** Tells the story; resolves with the exit code. */
export async function tellOnce(town: Town, startedAtMs: number, say: Say): Promise<number> {
  const subs = [...Object.values(STREAMS), SYSTEM_STREAM];
  await until(RECEIPTS_MS, "no verified receipt for every stream", () =>
    subs.every((sub) => {
      const facts = town.passing.streams.get(sub);
      return facts !== undefined && (sub === SYSTEM_STREAM ? facts.receipts : facts.readingReceipts) > 0;
    }),
  );
  say(`each of ${count(subs.length, "stream")} has its receipt; the agent seals what is left and stops`);
  await town.stopAgent();
  await until(SETTLE_MS, "the ledger lacks statements that were sent", () => isTaken(town));
  const verdicts = await Promise.all(subs.map((sub) => writeBundle(town, sub, startedAtMs)));
  for (const verdict of verdicts) say(`bundle ${basename(verdict.file)}: ${verdictWords(verdict)}`);
  const [first] = verdicts;
  if (first === undefined) throw new ProgramError("no bundle");
  const { honest, altered, what } = await tamperWithBundle(town, first.file);
  say(`${basename(first.file)} again: ${verdictWords(honest)}`);
  say(`${basename(first.file)} with one bit changed (${what}): ${verdictWords(altered)}`);
  const good = [...verdicts, honest].every(
    ({ verdict }) => verdict === "verified" || verdict === "restricted",
  );
  return good && altered.verdict === "invalid" ? 0 : 1;
}

/** Tells whether the archive has every statement that went up. */
async function isTaken({ anchorUrl, passing }: Town): Promise<boolean> {
  const answer = await fetch(`${anchorUrl}/streams?iss=${encodeURIComponent(ISS)}`);
  const streams = (await answer.json()) as readonly { readonly sub: string; readonly last: number }[];
  return [...passing.streams].every(([sub, { lastSeq }]) =>
    streams.some((stream) => stream.sub === sub && stream.last >= lastSeq),
  );
}

async function until(
  withinMs: number,
  otherwise: string,
  condition: () => boolean | Promise<boolean>,
): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await condition())) {
    if (performance.now() > end) throw new ProgramError(`${otherwise} after ${withinMs / 1000} s`);
    await new Promise((resolve) => {
      setTimeout(resolve, LOOK_MS);
    });
  }
}
