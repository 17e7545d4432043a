/**
 * The lower part of a terminal that is drawn again and again, below lines that stay.
 *
 * @module
 */
import type { WriteStream } from "node:tty";

const UP_AND_CLEAR = (lines: number): string => (lines > 0 ? `\u001b[${lines}A\u001b[J` : "");
const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";

export class Screen {
  readonly #terminal: WriteStream;
  #drawn = 0;

  constructor(terminal: WriteStream) {
    this.#terminal = terminal;
    terminal.write(HIDE_CURSOR);
  }

  /** Draws the lower part anew; `above` are lines that stay. */
  draw(lower: readonly string[], above: readonly string[] = []): void {
    // some terminals say 0 while they don't know
    const columns = this.#terminal.columns || 80;
    const rows = this.#terminal.rows || 24;
    const fitting = lower.slice(0, Math.max(1, rows - 1)).map((line) => clipped(line, columns));
    const lines = [...above, ...fitting].map((line) => `${line}\n`).join("");
    this.#terminal.write(`${UP_AND_CLEAR(this.#drawn)}${lines}`);
    this.#drawn = fitting.length;
  }

  /** Leaves what is drawn, and gives the cursor back. */
  end(): void {
    this.#terminal.write(SHOW_CURSOR);
  }
}

/** A line that wrapped would be more than one, and drawing again would leave parts of it. */
const clipped = (line: string, columns: number): string =>
  line.length < columns ? line : `${line.slice(0, columns - 2)}…`;
