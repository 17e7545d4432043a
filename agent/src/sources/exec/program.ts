/**
 * A program as a source: started, and started again with growing pauses, for as long as the agent runs. What it prints comes in batches of lines,
 * one for each piece that the pipe gave; each batch is answered before the next is pulled, or later.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { EvidenceError } from "@tallystick/evidence";
import { Bucket } from "@tallystick/evidence/node";
import { newSourceCounters, type SourceContext, type SourceCounters } from "../source.ts";
import { Child, type ChildPatience } from "./child.ts";
import { readLine, type ParsedLine, type RefusedLine } from "./line.ts";
import { LineSplitter } from "./split.ts";

export type ProgramOptions = {
  /** Lower-case; lines are known by it and their ids. */
  readonly name: string;
  /** The program's file, and its arguments; no shell looks at them. */
  readonly command: readonly string[];
  /** Seconds until a program that ended well is started again. */
  readonly againS: number;
  readonly maxLinesPerS: number;
};

/** Lines that came together. */
export type Batch = {
  readonly lines: readonly (ParsedLine | RefusedLine)[];
  /** Writes answers to the run that printed the lines; one that has ended doesn't hear them. */
  readonly answer: (text: string) => Promise<void>;
};

export interface Program {
  readonly counters: SourceCounters;
  /**
   * Back-pressure is the pull of the iterator: while nobody pulls, the program's output isn't read. A program that fails is no error of the iterator; it ends
   * when `signal` is aborted, and the program with it.
   */
  batches(signal: AbortSignal): AsyncIterable<Batch>;
}

export type ProgramPatience = ChildPatience & {
  /** After a failure the pause starts here and doubles. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
};

const PATIENCE: ProgramPatience = { endMs: 2000, deafMs: 30_000, retryMinMs: 1000, retryMaxMs: 60_000 };

export function openProgram(
  options: ProgramOptions,
  context: SourceContext,
  patience: ProgramPatience = PATIENCE,
): Program {
  const counters = newSourceCounters();
  return { counters, batches: (signal) => runs(options, { context, patience, counters, signal }) };
}

type Runs = {
  readonly context: SourceContext;
  readonly patience: ProgramPatience;
  readonly counters: SourceCounters;
  readonly signal: AbortSignal;
};

async function* runs(
  options: ProgramOptions,
  { context, patience, counters, signal }: Runs,
): AsyncGenerator<Batch, void, undefined> {
  const { name, command, againS } = options;
  let pauseMs = patience.retryMinMs;
  let reported = "";
  while (!signal.aborted) {
    const goodBefore = counters.framesGood;
    const child = new Child({ name, command, patience, context });
    const stop = (): void => void child.stop();
    signal.addEventListener("abort", stop, { once: true });
    try {
      yield* batchesOf(child, options, context, signal);
    } finally {
      signal.removeEventListener("abort", stop);
      await child.stop();
    }
    if (signal.aborted) return;
    const why = await child.ended();
    // Only lines that were taken prove that it is well again.
    if (counters.framesGood > goodBefore) {
      pauseMs = patience.retryMinMs;
      reported = "";
    }
    if (why === "") {
      await pause(againS * 1000, signal);
      continue;
    }
    counters.reconnects += 1;
    if (why !== reported || pauseMs < patience.retryMaxMs)
      context.log.warn(`${name}: ${why}; started again, at the latest every ${patience.retryMaxMs / 1000} s`);
    reported = why;
    await pause(pauseMs, signal);
    pauseMs = Math.min(pauseMs * 2, patience.retryMaxMs);
  }
}

async function* batchesOf(
  child: Child,
  { maxLinesPerS }: ProgramOptions,
  { clock }: SourceContext,
  signal: AbortSignal,
): AsyncGenerator<Batch, void, undefined> {
  const splitter = new LineSplitter();
  const bucket = new Bucket(maxLinesPerS, clock.monotonicMs());
  const answer = (text: string): Promise<void> => child.answer(text);
  for await (const chunk of child.chunks()) {
    const lines = [...splitter.push(chunk)].map(parsed);
    if (lines.length > 0) yield { lines, answer };
    if (signal.aborted) return;
    bucket.spend(lines.length, clock.monotonicMs());
    await pause(bucket.waitMs(clock.monotonicMs()), signal);
  }
  const cut = [...splitter.end()].map(parsed);
  if (cut.length > 0 && !signal.aborted) yield { lines: cut, answer };
}

const parsed = (line: Uint8Array | EvidenceError): ParsedLine | RefusedLine =>
  line instanceof EvidenceError ? { id: undefined, error: line } : readLine(line);

const pause = async (ms: number, signal: AbortSignal): Promise<void> => {
  if (ms > 0) await delay(ms, undefined, { signal }).catch(() => undefined);
};
