/**
 * The live table, and the keys to attack the town with.
 *
 * @module
 */
import type { ReadStream, WriteStream } from "node:tty";
import { tamperWithStatement, verdictWords, writeBundle } from "./auditing.ts";
import { STREAMS } from "./folder.ts";
import type { Town } from "./town.ts";
import { Screen } from "./screen.ts";
import { count, newestWords } from "./words.ts";

const DRAW_MS = 250;
/** How long the ledger stays dead. */
const DEAD_MS = 3000;

const CTRL_C = "\u0003";
const KEYS =
  "t tamper · d drop a message · k kill the anchor · u unplug the meter · b write a bundle · q quit";

export class Live {
  readonly #town: Town;
  readonly #startedAtMs: number;
  readonly #screen: Screen;
  readonly #keyboard: ReadStream;
  readonly #quit = Promise.withResolvers<void>();
  readonly #busy = new Set<string>();
  readonly #actions: ReadonlyMap<string, () => Promise<void>> = new Map([
    ["t", () => this.#tamper()],
    ["k", () => this.#killAnchor()],
    ["u", () => this.#unplug()],
    ["b", () => this.#bundle()],
  ]);
  #news: string[] = [];
  #anchor = "running";

  constructor(town: Town, startedAtMs: number, terminal: WriteStream, keyboard: ReadStream) {
    this.#town = town;
    this.#startedAtMs = startedAtMs;
    this.#screen = new Screen(terminal);
    this.#keyboard = keyboard;
  }

  /** A line that stays above the table. */
  say(line: string): void {
    this.#news.push(line);
  }

  /** Shows the town until `q` is pressed or `ended` settles. */
  async run(ended: Promise<unknown>): Promise<void> {
    this.#keyboard.setRawMode(true).setEncoding("utf8").resume();
    const onKeys = (keys: string): void => {
      for (const key of keys) this.#press(key);
    };
    this.#keyboard.on("data", onKeys);
    const timer = setInterval(() => this.#draw(), DRAW_MS);
    this.#draw();
    try {
      await Promise.race([this.#quit.promise, ended]);
    } finally {
      clearInterval(timer);
      this.#keyboard.off("data", onKeys).setRawMode(false).pause();
      this.#draw();
      this.#screen.end();
    }
  }

  #press(key: string): void {
    const action = this.#actions.get(key);
    if (key === "q" || key === CTRL_C) this.#quit.resolve();
    else if (key === "d") this.#drop();
    else if (action !== undefined && !this.#busy.has(key)) void this.#act(key, action);
  }

  /** An action that fails says why; the town goes on. */
  async #act(key: string, action: () => Promise<void>): Promise<void> {
    this.#busy.add(key);
    try {
      await action();
    } catch (error) {
      this.say(`  that did not work: ${error instanceof Error ? error.message : String(error)}`);
    } finally {
      this.#busy.delete(key);
    }
  }

  async #tamper(): Promise<void> {
    const newest = this.#town.passing.streams.get(STREAMS.meter)?.newest;
    if (newest === undefined) {
      this.say("t  there is no receipt to tamper with yet");
      return;
    }
    const { sub, seq } = newest.statement.claims;
    this.say(`t  fetching ${sub} #${seq} and changing one bit of what was read…`);
    const { honest, altered, what } = await tamperWithStatement(this.#town, newest.statement);
    this.say(`t  as it was signed: ${verdictWords(honest)}`);
    this.say(`t  one bit changed (${what}): ${verdictWords(altered)}`);
  }

  #drop(): void {
    this.#town.link.loseNext();
    this.say("d  the next message of statements will be acknowledged, and lost");
  }

  async #killAnchor(): Promise<void> {
    if (!this.#town.anchorRunning) return;
    const before = this.#town.passing.logSize;
    await this.#town.killAnchor();
    this.#anchor = "KILLED";
    this.say(
      `k  the anchor was killed at a log of ${count(before, "entry", "entries")}; what is sealed meanwhile waits at the agent`,
    );
    await new Promise((resolve) => {
      setTimeout(resolve, DEAD_MS);
    });
    if (!this.#town.isOpen) return;
    const size = await this.#town.startAnchor();
    this.#anchor = "running";
    this.say(
      `k  the anchor is back with ${count(size, "entry", "entries")}: no receipt was given for anything it has lost`,
    );
  }

  async #unplug(): Promise<void> {
    const { meter } = this.#town;
    if (meter.plugged) {
      await meter.unplug();
      this.say("u  the meter is unplugged, there is nothing to sign; press u again to plug it in");
    } else {
      await meter.plug();
      this.say("u  the meter is plugged in");
    }
  }

  async #bundle(): Promise<void> {
    const verdict = await writeBundle(this.#town, STREAMS.meter, this.#startedAtMs);
    this.say(`b  ${verdict.file}: ${verdictWords(verdict)}`);
    this.say(`   npx tally-audit verify ${verdict.file} --policy ${this.#town.folder.policyFile}`);
  }

  #draw(): void {
    const news = this.#news;
    this.#news = [];
    this.#screen.draw(this.#table(), news);
  }

  #table(): readonly string[] {
    const { passing, meter } = this.#town;
    const rows = [...passing.streams]
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([sub, { readings, statements, receipts, newest }]) => [
        sub,
        String(readings),
        String(statements),
        String(receipts),
        newest === undefined ? "" : String(newest.index),
        newest === undefined ? "" : `${Math.round(newest.latencyMs)} ms`,
        newest === undefined ? "" : newestWords(newest),
      ]);
    return [
      "",
      ...columns([["stream", "readings", "statements", "receipts", "entry", "latency", "newest"], ...rows]),
      "",
      [
        `log ${count(passing.logSize, "entry", "entries")}`,
        `anchor ${this.#anchor}`,
        meter.plugged ? "meter plugged in" : "meter UNPLUGGED",
        passing.waiting === 0
          ? "every statement has its receipt"
          : `${count(passing.waiting, "statement")} without a receipt`,
      ].join(" · "),
      KEYS,
    ];
  }
}

/** Numbers to the right, the first and last column to the left. */
function columns(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? "").length)),
  );
  return rows.map((row) =>
    row
      .map((cell, column) => {
        const left = column === 0 || column === row.length - 1;
        return left ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0);
      })
      .join("  ")
      .trimEnd(),
  );
}
