/**
 * Lays what the verbs found beside what was planted: complete lists, so that one finding too many is as wrong as one too few.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { CoverageBody } from "../../audit/src/coverage/body.ts";
import type { ReconcileBody } from "../../audit/src/reconcile/body.ts";
import type { Result } from "../../audit/src/result.ts";
import { QUARTER_S } from "./calendar.ts";
import type { MadeCity } from "./city.ts";
import type { Export } from "./exports/all.ts";
import type { Finding } from "./planted.ts";

/** What is in one list and not in the other, as text, sorted. */
export type Difference = { readonly missed: readonly string[]; readonly beyond: readonly string[] };

export const readResult = <Body extends object>(folder: string): Result<Body> =>
  JSON.parse(readFileSync(join(folder, "result.json"), "utf8")) as Result<Body>;

/** Findings of a coverage beside those of the plan; and what nothing happened to is complete. */
export function judgeCoverage(
  { body }: Result<CoverageBody>,
  { planted, untouched, period }: MadeCity,
): Difference {
  const expected = planted.flatMap(({ findings }) => findings.map(textOf));
  const found = body.findings.map(({ class: name, iss, sub, count }) =>
    textOf({ class: name, where: `${iss}/${sub}`, count }),
  );
  const quarters = (period.toUnixS - period.fromUnixS) / QUARTER_S;
  const whole = untouched.map(({ name }) => `${name}: complete, ${quarters} of ${quarters}`);
  const streams = body.streams.flatMap(({ iss, sub, state, total: { received, expected: of } }) => {
    const name = `${iss}/${sub}`;
    return untouched.some((one) => one.name === name)
      ? [`${name}: ${state}, ${received} of ${String(of)}`]
      : [];
  });
  return difference([...expected, ...whole], [...found, ...streams]);
}

const textOf = ({ class: name, where, count }: Finding): string => `${where}: ${name} ${count}`;

/** Lines of an export by class, and what no line is about, beside what the offices did. */
export function judgeReconcile(folder: string, { lines, unbilled }: Export): Difference {
  const { body } = readResult<ReconcileBody>(folder);
  const rows = body.classes.flatMap(({ class: name, file }) =>
    rowsOf(join(folder, file)).map(({ line = "", key = "" }) =>
      line === "" ? `${key}: ${name}` : `line ${line}: ${name}`,
    ),
  );
  const expected = [
    ...lines.map(({ line, class: name }) => `line ${line}: ${name}`),
    ...unbilled.map((key) => `${key}: proven-not-billed`),
  ];
  return difference(expected, rows);
}

/** Rows of a CSV (RFC 4180) by the names in its heading. */
function rowsOf(file: string): readonly Readonly<Record<string, string>>[] {
  const text = readFileSync(file, "utf8").replaceAll("\r\n", "\n");
  const lines: string[][] = [[]];
  for (const [, quoted, plain = "", end] of text.matchAll(/(?:"((?:[^"]|"")*)"|([^",\n]*))(,|\n|$)/g)) {
    lines.at(-1)?.push(quoted?.replaceAll('""', '"') ?? plain);
    if (end === "\n") lines.push([]);
  }
  const [heading = [], ...rows] = lines.slice(0, -1); // behind the last line feed there is nothing
  return rows.map((cells) => {
    if (cells.length !== heading.length) throw new Error(`${file}: a row of ${cells.length} cells`);
    return Object.fromEntries(heading.map((name, i) => [name, cells[i] ?? ""]));
  });
}

/** Of two lists in which the same may stand several times. */
function difference(expected: readonly string[], found: readonly string[]): Difference {
  const counts = new Map<string, number>();
  for (const one of expected) counts.set(one, (counts.get(one) ?? 0) + 1);
  for (const one of found) counts.set(one, (counts.get(one) ?? 0) - 1);
  const times = (one: string, n: number): string[] => Array.from({ length: n }, () => one);
  const all = [...counts].toSorted(([a], [b]) => (a < b ? -1 : 1));
  return {
    missed: all.flatMap(([one, n]) => times(one, Math.max(0, n))),
    beyond: all.flatMap(([one, n]) => times(one, Math.max(0, -n))),
  };
}
