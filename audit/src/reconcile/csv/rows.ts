/**
 * The rows of a CSV file, one after the other, however long it is. The only file that knows csv-parse.
 *
 * @module
 */
import { parse, type CsvError, type Options } from "csv-parse";
import type { Faults } from "../faults.ts";

export type Dialect = {
  readonly separator: string;
  readonly quote: string | null;
  readonly skipLines: number;
};

/** `line`: on which the row ends, from 1. */
export type Row = { readonly line: number; readonly cells: readonly string[] };

/** Longest row: a quote that is never closed must not swallow a file. */
const MAX_ROW_CHARACTERS = 1 << 18;

/**
 * Yields the rows, the header among them; empty lines are none.
 *
 * @throws ConfigError for a broken quote, a row without an end
 */
export async function* readRows(
  text: AsyncIterable<string>,
  { separator, quote, skipLines }: Dialect,
  faults: Faults,
): AsyncGenerator<Row> {
  // Known when a row is parsed, which is before it is yielded: a fault ends the parser, and rows that wait in it are lost.
  let last = skipLines;
  const options: Options<Row, string[]> = {
    delimiter: separator,
    quote: quote ?? false,
    escape: quote ?? false,
    from_line: skipLines + 1,
    max_record_size: MAX_ROW_CHARACTERS,
    on_record: (cells: string[], { lines }): Row => {
      last = lines;
      return { line: lines, cells };
    },
    relax_column_count: true,
    skip_empty_lines: true,
  };
  // The types know no other rows than lists of cells.
  const parser = parse(options as unknown as Options);
  const feeding = feed(text, parser);
  // Heard below, once the parser has told its own fault.
  feeding.catch(() => undefined);
  try {
    for await (const row of parser) yield row as Row;
  } catch (error) {
    const { code, column } = error as Partial<CsvError>;
    if (code?.startsWith("CSV_") !== true) throw error;
    const place = typeof column === "number" ? ` cell ${column + 1}:` : "";
    faults.stop(last + 1, undefined, `${place.trimStart()} ${inWords(code)}`.trimStart());
  }
  await feeding;
}

async function feed(text: AsyncIterable<string>, parser: ReturnType<typeof parse>): Promise<void> {
  try {
    for await (const chunk of withLineFeeds(text)) {
      if (parser.destroyed) return;
      if (!parser.write(chunk)) await drained(parser);
    }
    parser.end();
  } catch (error) {
    parser.destroy(error as Error);
    throw error;
  }
}

/** CR LF as LF: within a cell the parser would take it for two lines, and name the wrong one from there on. */
async function* withLineFeeds(text: AsyncIterable<string>): AsyncGenerator<string> {
  let held = "";
  for await (const chunk of text) {
    const whole = held + chunk;
    held = whole.endsWith("\r") ? "\r" : "";
    yield (held === "" ? whole : whole.slice(0, -1)).replaceAll("\r\n", "\n");
  }
  if (held !== "") yield held;
}

const drained = (parser: ReturnType<typeof parse>): Promise<void> =>
  new Promise((resolve) => {
    const done = (): void => {
      parser.off("drain", done).off("close", done);
      resolve();
    };
    parser.on("drain", done).on("close", done);
  });

function inWords(code: string): string {
  switch (code) {
    case "CSV_QUOTE_NOT_CLOSED":
      return "the quote that begins here is never closed; close it, or set csv.quote to null where quotes are plain text";
    case "CSV_INVALID_CLOSING_QUOTE":
    case "INVALID_OPENING_QUOTE":
    case "CSV_NON_TRIMABLE_CHAR_AFTER_CLOSING_QUOTE":
      return "a quote in the middle of a cell; within a quoted cell it is written twice, else set csv.quote to null";
    case "CSV_MAX_RECORD_SIZE":
      return "a row without an end, probably a quote that is never closed; close it, or set csv.quote to null";
    default:
      return `not CSV as the map has it (${code}); check csv.separator and csv.quote`;
  }
}
