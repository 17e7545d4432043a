/**
 * Tables that a map names as files: CSV with commas and a header, UTF-8, hashed like every other input.
 *
 * @module
 */
import { existsSync } from "node:fs";
import { basename } from "node:path";
import { ConfigError } from "@tallystick/evidence/node";
import type { ResultInput } from "../result.ts";
import { decodeFile, type FileHash } from "./csv/decode.ts";
import { hasAllCells, readHeader } from "./csv/header.ts";
import { readRows } from "./csv/rows.ts";
import { Faults } from "./faults.ts";

export type TableRow = { readonly line: number; readonly cells: Readonly<Record<string, string>> };

/**
 * Hands each row of a table to `each`; empty cells are left out.
 *
 * @param needed - columns that must be there; `known` may be
 * @throws ConfigError with line and column
 */
export async function readTable(
  file: string,
  { needed, known }: { readonly needed: readonly string[]; readonly known: readonly string[] },
  each: (row: TableRow, faults: Faults) => void,
): Promise<ResultInput> {
  const name = basename(file);
  if (!existsSync(file)) throw new ConfigError([`${file}: no such file: the map names it`]);
  const faults = new Faults(name);
  let hash: FileHash | undefined;
  const text = async function* (): AsyncGenerator<string> {
    hash = yield* decodeFile(file, "utf-8", faults);
  };
  let header: ReturnType<typeof readHeader> | undefined;
  for await (const row of readRows(text(), { separator: ",", quote: '"', skipLines: 0 }, faults)) {
    if (header === undefined) {
      header = readHeader(row, needed, faults);
      for (const column of header.names) {
        if (!needed.includes(column) && !known.includes(column))
          faults.add(row.line, column, `no such column here; there are ${[...needed, ...known].join(", ")}`);
      }
      faults.end();
    } else if (hasAllCells(row, header, faults)) {
      const cells = header.names.map((column, i) => [column, (row.cells[i] ?? "").trim()] as const);
      each({ line: row.line, cells: Object.fromEntries(cells.filter(([, cell]) => cell !== "")) }, faults);
    }
  }
  if (header === undefined) faults.add(1, undefined, "empty: give at least a header");
  faults.end();
  if (hash === undefined) throw new Error("the table was not read to its end");
  return { role: "map", name, ...hash };
}
