/**
 * Brings an export into the work database, line by line, and refuses one that is of another period.
 *
 * @module
 */
import { ConfigError, type Progress } from "@tallystick/evidence/node";
import { statSync } from "node:fs";
import { basename } from "node:path";
import type { ResultInput } from "../result.ts";
import { decodeFile, type FileHash } from "./csv/decode.ts";
import { hasAllCells } from "./csv/header.ts";
import { readRows } from "./csv/rows.ts";
import { Faults } from "./faults.ts";
import { lineReader, type Line } from "./lines.ts";
import { openLookup } from "./lookup.ts";
import type { LoadedMap, Scope } from "./map/load.ts";
import type { Work } from "./work.ts";

export type Staged = { readonly input: ResultInput; readonly lines: number; readonly ignored: number };

/** Months of a hostile export could be any number. */
const MAX_MONTHS = 10_000;

/** Value of `lines.place` for an account that has two streams at that time. */
export const TWO_PLACES = -1;

/**
 * Reads the whole export.
 *
 * @throws ConfigError for what can't be read, with file, line and column; and where too many lines are of another period
 */
export async function stageExport(
  work: Work,
  file: string,
  loaded: LoadedMap,
  progress: Progress,
): Promise<Staged> {
  const { map, scope } = loaded;
  const name = basename(file);
  const faults = new Faults(name);
  const total = statSync(file).size;
  let hash: FileHash | undefined;
  const text = async function* (): AsyncGenerator<string> {
    hash = yield* decodeFile(file, map.csv.encoding, faults, (bytes) =>
      progress.update(bytes, total, "bytes"),
    );
  };
  const insert = work.db.prepare(
    `INSERT INTO lines VALUES (${Array.from({ length: 17 }, () => "?").join(", ")})`,
  );
  const place = openLookup(work);
  const months = new Map<string, number>();
  let [n, ignored, outside] = [0, 0, 0];
  const stage = (line: Line): void => {
    n++;
    const at = line.until ?? line.t;
    if (at !== null && !within(scope, line)) {
      outside++;
      const month = monthOf(scope, line.t ?? at);
      if (months.size < MAX_MONTHS || months.has(month)) months.set(month, (months.get(month) ?? 0) + 1);
    }
    const found = line.account === null ? null : place(line.account, line.t);
    insert.run(
      n,
      line.line,
      line.type,
      line.key,
      line.name,
      line.ref,
      line.trip,
      line.account,
      found === "ambiguous" ? TWO_PLACES : found,
      line.t,
      line.until,
      line.minor,
      line.currency,
      line.quantity,
      line.discount,
      line.facet,
      line.fields,
    );
  };
  work.db.exec("BEGIN");
  let read: ReturnType<typeof lineReader> | undefined;
  for await (const row of readRows(text(), map.csv, faults)) {
    if (read === undefined) read = lineReader(map, row, faults);
    else if (hasAllCells(row, read.header, faults)) {
      const line = read(row);
      if (line === "ignored") ignored++;
      else if (line !== undefined) stage(line);
    }
  }
  if (read === undefined) faults.add(1, undefined, "empty: an export has a header at least");
  faults.end();
  work.db.exec("COMMIT");
  progress.done();
  if (hash === undefined) throw new Error("the export was not read to its end");
  if (n > 0 && outside / n > map.scope.outside)
    throw new ConfigError([otherPeriod(name, loaded, n, outside, months)]);
  return { input: { role: "export", name, ...hash }, lines: n, ignored };
}

/** Whether a line may be of the scope, its grace included. */
export const within = (
  { from, to, before, after, endIncluded }: Scope,
  { t, until }: Pick<Line, "t" | "until">,
): boolean =>
  (t === null || (from - before <= t && (t < to + after || (endIncluded && t === to + after)))) &&
  (until === null || until <= to + after);

function monthOf({ zone }: Scope, us: number): string {
  const wall = zone.wallAt(Math.floor(us / 1_000_000));
  return new Date(wall * 1000).toISOString().slice(0, 7);
}

function otherPeriod(
  name: string,
  { map, scope }: LoadedMap,
  lines: number,
  outside: number,
  months: ReadonlyMap<string, number>,
): string {
  const [most = "another period"] = [...months]
    .toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([month]) => month);
  const asked = `${map.scope.from} to ${map.scope.to} (${scope.zone.name})`;
  return `${name}: this export is of ${most}, the scope is ${asked}: ${outside} of ${lines} lines lie outside; give the right export, change scope, or raise scope.outside`;
}
