/**
 * Rows of CSV that a spreadsheet shows and never runs: what is text and begins like a formula gets an apostrophe before it.
 *
 * @module
 */

/** What a spreadsheet takes for the beginning of a formula; tab and carriage return are skipped by some before they look. */
const FORMULA = /^[=+\-@\t\r]/;
/** A negative number is none. */
const NUMBER = /^-?\d+(?:\.\d+)?$/;

/** One cell. */
function csvCell(text: string): string {
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/** One row with its line end (LF). */
export const csvRow = (cells: readonly string[]): string => `${cells.map(csvCell).join(",")}\n`;
