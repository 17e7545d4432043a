/**
 * The table, for people, and the same as JSON.
 *
 * @module
 */
import { isMet, type Budget, type Figure } from "./figures.ts";
import type { Machine } from "./machine.ts";
import { profileLines, type ThreadProfile } from "./profile-stages.ts";

export type Result = { readonly row: string; readonly figures: readonly Figure[]; readonly error?: string };

export type Report = {
  readonly machine: Machine;
  readonly quick: boolean;
  /** Load average when the last row ended. */
  readonly loadAfter: readonly number[];
  readonly results: readonly Result[];
  /** With `--profile`: where the time of a statement went. */
  readonly profiles: readonly ThreadProfile[];
};

export const jsonReport = (report: Report): string =>
  `${JSON.stringify(
    {
      ...report,
      results: report.results.map(({ figures, ...rest }) => ({
        ...rest,
        figures: figures.map((figure) => ({ ...figure, met: isMet(figure) })),
      })),
    },
    undefined,
    2,
  )}\n`;

export function textReport({ machine, quick, loadAfter, results, profiles }: Report): string {
  const { cpu, cores, memoryGiB, system, node, date, load, fileSystem, command } = machine;
  const lines = [
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, ${fileSystem}; Node ${node}; ${date}`,
    `load average ${load.join(" ")} before, ${loadAfter.join(" ")} after; ${command}`,
    ...(quick ? ["short stages (--quick): a first impression"] : []),
    "",
  ];
  const rows = results.flatMap(({ row, figures }) => figures.map((figure) => cells(row, figure)));
  const width = (column: number): number =>
    Math.max(
      ...HEAD.map((cell, i) => (i === column ? cell.length : 0)),
      ...rows.map(({ cells: all }) => all[column]?.length ?? 0),
    );
  const widths = HEAD.map((_, column) => width(column));
  const line = (all: readonly string[]): string =>
    all
      .map((cell, i) => (i === 2 || i === 3 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0)))
      .join("  ")
      .trimEnd();
  if (rows.length > 0) lines.push(line(HEAD));
  for (const { cells: all, notes } of rows) {
    lines.push(line(all));
    for (const note of notes) lines.push(`${" ".repeat((widths[0] ?? 0) + 4)}${note}`);
  }
  for (const { row, error } of results) if (error !== undefined) lines.push(`${row}: not measured: ${error}`);
  lines.push(...profileLines(profiles));
  return `${lines.join("\n")}\n`;
}

const HEAD = ["row", "what", "measured", "budget", "met"] as const;

function cells(row: string, figure: Figure): { cells: string[]; notes: readonly string[] } {
  const { what, value, unit, budget, notes = [] } = figure;
  const met = isMet(figure);
  const measured = value === null ? "not measured" : `${grouped(value)} ${unit}`;
  return {
    cells: [
      row,
      what,
      measured,
      budget === undefined ? "" : limit(budget, unit),
      met === null ? "" : met ? "yes" : "NO",
    ],
    notes,
  };
}

const limit = (budget: Budget, unit: string): string =>
  "atLeast" in budget ? `>= ${grouped(budget.atLeast)} ${unit}` : `<= ${grouped(budget.atMost)} ${unit}`;

/** Three digits that count, and thousands apart. */
function grouped(value: number): string {
  const places = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString("en-US", { maximumFractionDigits: places });
}
