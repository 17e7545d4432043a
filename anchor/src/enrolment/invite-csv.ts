/**
 * Many invites from a table, and back: CSV as spreadsheets write it (RFC 4180).
 *
 * @module
 */
import { checkOrg, checkStreamPattern, isEvidenceError, isOperator, parseIss } from "@tallystick/evidence";
import { ConfigError, UsageError } from "@tallystick/evidence/node";
import { durationS } from "../commands/duration.ts";
import type { Invited } from "./inviting.ts";

const COLUMNS = ["org", "device", "streams", "silence"] as const;
type Column = (typeof COLUMNS)[number];
const MUST: readonly Column[] = ["org", "device"];
const MAX_CHARACTERS = 8 << 20;
const MAX_ROWS = 10_000;
/** Faults that are listed. */
const MAX_FAULTS = 50;

type Row = { readonly line: number; readonly cells: readonly string[] };

/** One device of the table, with the line where it stands. */
export type InvitedRow = Invited & { readonly line: number };

/**
 * Reads a table with a header: `org` and `device`, and where the defaults won't do `streams` (several in one cell, parted by blanks, commas or semicolons) and `silence`.
 *
 * @throws ConfigError that lists every fault with file, line and column
 */
export function readInvites(
  file: string,
  text: string,
  defaults: Pick<Invited, "streams" | "silenceS" | "reEnrol">,
): readonly InvitedRow[] {
  if (text.length > MAX_CHARACTERS)
    throw new ConfigError([`${file}: larger than ${MAX_CHARACTERS} characters: split it`]);
  const [header, ...rows] = rowsOf(file, text.replace(/^\uFEFF/, ""));
  const columns = header?.cells.map((cell) => cell.trim().toLowerCase()) ?? [];
  const headerFaults = [
    ...MUST.filter((name) => !columns.includes(name)).map((name) => `no column ${name}`),
    ...columns
      .filter((name, i) => !isColumn(name) || columns.indexOf(name) !== i)
      .map((name) => `column ${JSON.stringify(name)}`),
  ];
  if (headerFaults.length > 0)
    throw new ConfigError([
      `${file}:1: ${headerFaults.join(", ")}: the first line names the columns: ${COLUMNS.join(",")}`,
    ]);
  if (rows.length > MAX_ROWS) throw new ConfigError([`${file}: more than ${MAX_ROWS} devices: split it`]);
  const faults: string[] = [];
  const seen = new Map<string, number>();
  const invited = rows.flatMap((row): readonly InvitedRow[] => {
    const fault = (column: string, what: string): void =>
      void faults.push(`${file}:${row.line}: ${column}: ${what}`);
    if (row.cells.length !== columns.length) {
      fault(
        "columns",
        `${row.cells.length} cells under ${columns.length} columns: put cells with commas in quotes`,
      );
      return [];
    }
    const cell = (name: Column): string => row.cells[columns.indexOf(name)]?.trim() ?? "";
    const device = `${cell("org")}/${cell("device")}`;
    const before = seen.get(device);
    if (before !== undefined) fault("device", `${device} stands in line ${before} already: one invite each`);
    seen.set(device, before ?? row.line);
    check(
      () => checkOrg(cell("org")),
      (what) => fault("org", what),
    );
    check(
      () => parseIss(`org/${cell("device")}`),
      () => fault("device", "a device is 1 to 64 of a-z, 0-9 and -"),
    );
    check(
      () => isOperator(device) && refuse("operator is reserved: choose another name"),
      (what) => fault("device", what),
    );
    const named = cell("streams")
      .split(/[\s,;]+/)
      .filter((one) => one !== "");
    for (const stream of named)
      check(
        () => checkStreamPattern(stream),
        (what) => fault("streams", `${stream}: ${what}`),
      );
    let { silenceS } = defaults;
    if (cell("silence") !== "")
      check(
        () => (silenceS = durationS(cell("silence"), "silence")),
        (what) => fault("silence", what),
      );
    const streams = named.length === 0 ? defaults.streams : named;
    return [
      {
        line: row.line,
        device,
        streams,
        silenceS,
        ...(defaults.reEnrol !== undefined && { reEnrol: defaults.reEnrol }),
      },
    ];
  });
  if (rows.length === 0) faults.push(`${file}: no device below the header`);
  throwAny(file, faults);
  return invited;
}

/** @throws ConfigError of the first faults, and how many there are */
export function throwAny(file: string, faults: readonly string[]): void {
  if (faults.length === 0) return;
  const more = faults.length - MAX_FAULTS;
  throw new ConfigError([
    ...faults.slice(0, MAX_FAULTS),
    ...(more > 0 ? [`${file}: and ${more} faults more`] : []),
    `${file}: nothing was made: mend the file, and run it again`,
  ]);
}

/** One line of a table; cells are quoted where they have to be. */
export const csvLine = (cells: readonly string[]): string =>
  `${cells.map((cell) => (/[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell)).join(",")}\r\n`;

const isColumn = (name: string): name is Column => COLUMNS.some((column) => column === name);

/** Cells of each line that has any; a quoted cell may hold commas, line breaks and doubled quotes. */
function rowsOf(file: string, text: string): readonly Row[] {
  const rows: Row[] = [];
  const cell = /(?:"((?:[^"]|"")*)"|([^",\r\n]*))(,|\r\n|\n|\r|$)/y;
  let cells: string[] = [];
  let line = 1;
  let first = 1;
  while (cell.lastIndex < text.length || cells.length > 0) {
    const found = cell.exec(text);
    if (found === null)
      throw new ConfigError([
        `${file}:${line}: a quote within a cell: put the whole cell in quotes, and double the quotes within`,
      ]);
    const [, quoted, plain = "", end] = found;
    cells.push(quoted?.replaceAll('""', '"') ?? plain);
    line += quoted?.match(/\r\n|\n|\r/g)?.length ?? 0;
    if (end === ",") continue;
    if (cells.some((one) => one.trim() !== "")) rows.push({ line: first, cells });
    cells = [];
    line += 1;
    first = line;
    if (end === "") break;
  }
  return rows;
}

function check(work: () => unknown, fault: (what: string) => void): void {
  try {
    work();
  } catch (error) {
    if (!isEvidenceError(error) && !(error instanceof UsageError)) throw error;
    fault(error.message);
  }
}

function refuse(what: string): never {
  throw new UsageError(what);
}
