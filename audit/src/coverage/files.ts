/**
 * The CSV files of a coverage: one for each class of findings of which there is one, `streams.csv` and `days.csv`. Written as findings come.
 *
 * @module
 */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { csvRow } from "../csv-text.ts";
import { CAUSES, type CoverageBody, type Finding, type Tally } from "./body.ts";
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

  /** @param folder - that is there, and has none of these files */
  constructor(folder: string) {
    this.#folder = folder;
  }

  add({ class: name, iss, sub, ch, seqs, from, to, count, name: of, says }: Finding): void {
    let file = this.#files.get(name);
    if (file === undefined)
      this.#files.set(name, (file = new CsvFile(join(this.#folder, `${name}.csv`), FINDING)));
    const numbers = seqs === null ? ["", ""] : [String(seqs.from), String(seqs.to)];
    file.row([iss, sub, ch ?? "", ...numbers, from ?? "", to ?? "", String(count), of ?? "", says]);
  }

  /** Writes what is left, and the tables of the body; the files are on the disk then. */
  end({ streams }: CoverageBody): void {
    for (const file of this.#files.values()) file.end();
    const columns = ["device", "stream", "state", "readings", "begins", "ends", ...TALLY];
    const overview = new CsvFile(join(this.#folder, "streams.csv"), columns);
    const ofDays = ["device", "stream", "day", "from", "to", "colour", ...TALLY];
    const days = new CsvFile(join(this.#folder, "days.csv"), ofDays);
    for (const { iss, sub, state, readings, begins, ends, total, days: all } of streams) {
      overview.row([iss, sub, state, String(readings), begins.by, ends.by, ...cells(total)]);
      for (const day of all) days.row([iss, sub, day.label, day.from, day.to, day.colour, ...cells(day)]);
    }
    overview.end();
    days.end();
  }
}

const cells = ({ expected, received, missing, late, repeats, conflicts }: Tally): readonly string[] =>
  [expected ?? "", received, ...CAUSES.map((cause) => missing[cause]), late, repeats, conflicts].map(String);
