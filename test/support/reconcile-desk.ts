/**
 * Runs a reconciliation as the command does, over facts made by hand: an export and a map as texts.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { noProgress } from "@tallystick/evidence/node";
import { LINE_CLASSES, type LineClass } from "../../audit/src/reconcile/body.ts";
import { readRows } from "../../audit/src/reconcile/csv/rows.ts";
import { Faults } from "../../audit/src/reconcile/faults.ts";
import { loadMap } from "../../audit/src/reconcile/map/load.ts";
import { reconcile, type Reconciled } from "../../audit/src/reconcile/reconcile.ts";
import { MadeFacts } from "./made-facts.ts";

export type Outcome = Reconciled & {
  /** Class and reason of each line of the export, by its number; `class reason`, or the class alone. */
  readonly lines: Readonly<Record<number, string>>;
  /** What was proven and not billed: `key reason`, or `account reason quantity`. */
  readonly unbilled: readonly string[];
  /** All rows of a class. */
  readonly rows: (name: LineClass) => readonly Readonly<Record<string, string>>[];
};

export class Desk {
  readonly folder: string;
  readonly facts: MadeFacts;

  constructor() {
    this.folder = mkdtempSync(join(tmpdir(), "tally-desk-"));
    this.facts = new MadeFacts(this.folder);
  }

  file(name: string, content: string | Uint8Array): string {
    const path = join(this.folder, name);
    writeFileSync(path, content);
    return path;
  }

  /** Ends the facts: none can be added any more. */
  async run(map: string, content: string | Uint8Array): Promise<Outcome> {
    const loaded = await loadMap(this.file("map.yaml", map));
    const file = this.file("export.csv", content);
    const db = this.facts.done();
    const folder = join(this.folder, "result");
    mkdirSync(folder);
    try {
      const found = await reconcile({
        facts: db,
        size: 1000,
        loaded,
        file,
        folder,
        work: this.folder,
        progress: noProgress,
      });
      return outcome(found, await tablesOf(folder));
    } finally {
      db.close();
    }
  }

  /** What is left of the temporary database: nothing, whatever happened. */
  leftovers(): string[] {
    return readdirSync(this.folder).filter((name) => name.startsWith("tally-reconcile-"));
  }

  close(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

type Rows = readonly Readonly<Record<string, string>>[];

async function tablesOf(folder: string): Promise<Map<LineClass, Rows>> {
  const tables = new Map<LineClass, Rows>();
  for (const name of LINE_CLASSES) {
    const text = readFileSync(join(folder, `${name}.csv`), "utf8");
    const source = (async function* () {
      yield await Promise.resolve(text);
    })();
    const [header, ...rows] = await Array.fromAsync(
      readRows(source, { separator: ",", quote: '"', skipLines: 0 }, new Faults(name)),
    );
    const named = rows.map(({ cells }) =>
      Object.fromEntries(cells.map((cell, i) => [header?.cells[i] ?? "", cell])),
    );
    tables.set(name, named);
  }
  return tables;
}

function outcome(found: Reconciled, tables: ReadonlyMap<LineClass, Rows>): Outcome {
  const rows = (name: LineClass): Rows => tables.get(name) ?? [];
  const all = found.body.classes.flatMap(({ class: name }) => rows(name).map((row) => ({ name, row })));
  const placed = all.filter(({ row }) => row["line"] !== "");
  return {
    ...found,
    rows,
    lines: Object.fromEntries(
      placed.map(({ name, row }) => [Number(row["line"]), `${name} ${row["reason"]}`.trim()]),
    ),
    unbilled: rows("proven-not-billed").map((row) =>
      [row["key"] === "" ? row["account"] : row["key"], row["reason"], row["quantityProven"]]
        .filter((one) => one !== "")
        .join(" "),
    ),
  };
}
