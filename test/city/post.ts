/**
 * What is on its way to the ledger: it arrives when it is due, in the order in which it was sent, or in one of the sender's own.
 *
 * @module
 */
import type { Statement } from "@tallystick/evidence";

export type Letter = {
  readonly statement: Statement;
  readonly dueUnixS: number;
  readonly rank: number;
  /** Called when the ledger has it. */
  readonly arrived?: (() => void) | undefined;
};

export class Post {
  #letters: Letter[] = [];

  /** @param rank - among those due together: lower ones come first */
  send(statement: Statement, dueUnixS: number, rank = 0, arrived?: () => void): void {
    this.#letters.push({ statement, dueUnixS, rank, arrived });
  }

  /** What is due by now. */
  take(nowUnixS: number): readonly Letter[] {
    const due = this.#letters.filter((letter) => letter.dueUnixS <= nowUnixS);
    this.#letters = this.#letters.filter((letter) => letter.dueUnixS > nowUnixS);
    return due.toSorted((a, b) => a.dueUnixS - b.dueUnixS || a.rank - b.rank);
  }
}
