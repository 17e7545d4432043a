/**
 * The CSV files of a coverage: one for each class of findings of which there is one, `streams.csv` and `days.csv`. Written as findings come.
 *
 * @module
 */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { csvRow } from "../csv-text.ts";
import { CAUSES, type Finding, type StreamCoverage, type Tally } from "./body.ts";
import type { FindingClass } from "./classes.ts";

const FLUSH_CHARACTERS = 1 << 16;

const FINDING = [
  "device",
  "stream",
  "chain",
  "first",
  "last",
  "from",
  "to",
  "count",
  "name",
  "says",
] as const;
const TALLY = ["expected", "received", ...CAUSES, "late", "repeats", "conflicts"] as const;

const OF_STREAMS = ["device", "stream", "state", "readings", "begins", "ends", ...TALLY] as const;
const OF_DAYS = ["device", "stream", "day", "from", "to", "colour", ...TALLY] as const;

/** A file that is new, and grows. */
class CsvFile {
  readonly #fd: number;
  #held: string;

  constructor(path: string, columns: readonly string[]) {
    this.#fd = openSync(path, "wx");
    this.#held = csvRow(columns);
  }

  row(cells: readonly string[]): void {
    this.#held += csvRow(cells);
    if (this.#held.length >= FLUSH_CHARACTERS) this.#flush();
  }

  end(): void {
    this.#flush();
    fsyncSync(this.#fd);
    closeSync(this.#fd);
  }

  #flush(): void {
    writeSync(this.#fd, this.#held);
    this.#held = "";
  }
}

export class CoverageFiles {
  readonly #folder: string;
  readonly #files = new Map<FindingClass, CsvFile>();
  readonly #streams: CsvFile;
  readonly #days: CsvFile;

  /** @param folder - that is there, and has none of these files */
  constructor(folder: string) {
    this.#folder = folder;
    this.#streams = new CsvFile(join(folder, "streams.csv"), OF_STREAMS);
    this.#days = new CsvFile(join(folder, "days.csv"), OF_DAYS);
  }

  add({ class: name, iss, sub, ch, seqs, from, to, count, name: of, says }: Finding): void {
    let file = this.#files.get(name);
    if (file === undefined)
      this.#files.set(name, (file = new CsvFile(join(this.#folder, `${name}.csv`), FINDING)));
    const numbers = seqs === null ? ["", ""] : [String(seqs.from), String(seqs.to)];
    file.row([iss, sub, ch ?? "", ...numbers, from ?? "", to ?? "", String(count), of ?? "", says]);
  }

  /** A row of the stream, and one for each of its days. */
  stream({ iss, sub, state, readings, begins, ends, total, days }: StreamCoverage): void {
    this.#streams.row([iss, sub, state, String(readings), begins.by, ends.by, ...cells(total)]);
    for (const day of days)
      this.#days.row([iss, sub, day.label, day.from, day.to, day.colour, ...cells(day)]);
  }

  /** Writes what is left; the files are on the disk then. */
  end(): void {
    for (const file of [...this.#files.values(), this.#streams, this.#days]) file.end();
  }
}

const cells = ({ expected, received, missing, late, repeats, conflicts }: Tally): readonly string[] =>
  [expected ?? "", received, ...CAUSES.map((cause) => missing[cause]), late, repeats, conflicts].map(String);
