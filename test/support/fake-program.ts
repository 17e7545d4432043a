/**
 * A program in memory: a test prints its lines, and reads the agent's answers.
 *
 * @module
 */
import { newSourceCounters } from "../../agent/src/sources/source.ts";
import { readLine } from "../../agent/src/sources/exec/line.ts";
import type { Batch, Program } from "../../agent/src/sources/exec/program.ts";

export type Answer = Readonly<Record<string, string | null>>;

export class FakeProgram implements Program {
  counters = newSourceCounters();
  readonly answers: Answer[] = [];
  readonly #batches: (readonly string[])[] = [];
  #wake = (): void => {};
  /** Batches that were pulled. */
  pulled = 0;
  /** Told when the agent answers, before anybody knows what. */
  onAnswer = (): void => {};

  /** Prints these lines at once. What isn't a text is written as JSON. */
  print(...lines: readonly (string | object)[]): void {
    this.#batches.push(lines.map((line) => (typeof line === "string" ? line : JSON.stringify(line))));
    this.#wake();
  }

  /** Takes the answers that came since. */
  takeAnswers(): readonly Answer[] {
    return this.answers.splice(0);
  }

  /** A new agent counts from nothing. */
  forget(): void {
    this.counters = newSourceCounters();
    this.#batches.splice(0);
    this.answers.splice(0);
  }

  async *batches(signal: AbortSignal): AsyncGenerator<Batch, void, undefined> {
    signal.addEventListener("abort", () => this.#wake());
    while (!signal.aborted) {
      const lines = this.#batches.shift();
      if (lines === undefined) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
        continue;
      }
      this.pulled += 1;
      yield {
        lines: lines.map((line) => readLine(Buffer.from(line))),
        answer: (text) => {
          this.onAnswer();
          for (const line of text.split("\n")) if (line !== "") this.answers.push(JSON.parse(line) as Answer);
          return Promise.resolve();
        },
      };
    }
  }
}
