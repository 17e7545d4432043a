/**
 * The CSV of each class, written as the lines come.
 *
 * @module
 */
import { closeSync, fsyncSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";
import { csvRow } from "../csv-text.ts";
import { LINE_CLASSES, type LineClass, type LineRow } from "./body.ts";

/** Columns, in this order. */
const COLUMNS = [
  "line",
  "type",
  "key",
  "account",
  "stream",
  "time",
  "until",
  "currency",
  "billed",
  "proven",
  "difference",
  "quantityBilled",
  "quantityProven",
  "reason",
  "statements",
  "indexes",
  "checkpoint",
] as const satisfies readonly (keyof LineRow)[];

const FLUSH_CHARACTERS = 1 << 16;

export const fileOf = (name: LineClass): string => `${name}.csv`;

/** Takes rows; nothing is written where there is no folder. */
export class ClassFiles {
  readonly #files = new Map<LineClass, { readonly fd: number; held: string }>();

  constructor(folder: string | undefined) {
    if (folder === undefined) return;
    for (const name of LINE_CLASSES) {
      this.#files.set(name, { fd: openSync(join(folder, fileOf(name)), "wx"), held: csvRow(COLUMNS) });
    }
  }

  /** Whether rows are wanted at all. */
  get writes(): boolean {
    return this.#files.size > 0;
  }

  add(name: LineClass, row: LineRow): void {
    const file = this.#files.get(name);
    if (file === undefined) return;
    file.held += csvRow(COLUMNS.map((column) => row[column]));
    if (file.held.length >= FLUSH_CHARACTERS) {
      writeSync(file.fd, file.held);
      file.held = "";
    }
  }

  /** Writes what is left; the files are on the disk then. */
  end(): void {
    for (const { fd, held } of this.#files.values()) {
      writeSync(fd, held);
      fsyncSync(fd);
    }
    this.close();
  }

  close(): void {
    for (const { fd } of this.#files.values()) closeSync(fd);
    this.#files.clear();
  }
}
