/**
 * The header of a table: which cell of a row a named column is.
 *
 * @module
 */
import { shown, type Faults } from "../faults.ts";
import type { Row } from "./rows.ts";

export type Header = {
  readonly names: readonly string[];
  /** Place of a column in each row. */
  placeOf(name: string): number;
};

/**
 * Looks up all `wanted` columns.
 *
 * @throws ConfigError where one is missing, or stands there twice
 */
export function readHeader(row: Row, wanted: readonly string[], faults: Faults): Header {
  const names = row.cells.map((cell) => cell.trim());
  const places = new Map<string, number>();
  for (const name of new Set(wanted)) {
    const found = names.flatMap((one, i) => (one === name ? [i] : []));
    const [first, second] = found;
    if (first === undefined) {
      const near = names.find((one) => one.toLowerCase() === name.toLowerCase());
      const there =
        near === undefined
          ? `the header has ${names.slice(0, 30).map(shown).join(", ")}`
          : `there is ${shown(near)}`;
      faults.add(
        row.line,
        name,
        `no such column: ${there}; set csv.columns, or csv.separator where these are not single names`,
      );
    } else if (second === undefined) {
      places.set(name, first);
    } else {
      faults.add(
        row.line,
        name,
        `stands twice in the header, as columns ${first + 1} and ${second + 1}; rename one`,
      );
    }
  }
  faults.end();
  return {
    names,
    placeOf(name) {
      const place = places.get(name);
      if (place === undefined) throw new Error(`column ${name} was not asked for`);
      return place;
    },
  };
}

/** Tells a row that has other cells than the header; true where it is usable. */
export function hasAllCells(row: Row, { names }: Header, faults: Faults): boolean {
  if (row.cells.length === names.length) return true;
  const why =
    row.cells.length > names.length
      ? "a separator within a cell needs quotes around the cell"
      : "is the line cut off, or no line of the table";
  faults.add(row.line, undefined, `${row.cells.length} cells where the header has ${names.length}: ${why}?`);
  return false;
}
