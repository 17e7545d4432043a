/**
 * A billing or toll export beside what the facts of a case prove.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import type { Progress } from "@tallystick/evidence/node";
import { showInstant } from "../calendar.ts";
import type { ResultInput } from "../result.ts";
import { FINDINGS, type ReconcileBody } from "./body.ts";
import { ClassFiles } from "./class-files.ts";
import { loadLookup } from "./lookup.ts";
import type { LoadedMap } from "./map/load.ts";
import { matchByKey, matchReferences } from "./match/key.ts";
import { matchByWindow } from "./match/window.ts";
import { loadProofs } from "./proofs.ts";
import { Registers } from "./readings/registers.ts";
import { settleReadings } from "./readings/settle.ts";
import { findUnbilled } from "./readings/unbilled.ts";
import { Rules } from "./rules.ts";
import { settleAll } from "./settle-all.ts";
import { stageExport } from "./stage.ts";
import { loadTariff } from "./tariff.ts";
import { Teller } from "./tell.ts";
import { Totals } from "./totals.ts";
import { openWork, type Work } from "./work.ts";

export type ReconcileGiven = {
  /** Finished facts in a file. */
  readonly facts: DatabaseSync;
  /** Size of the tree at which they stand. */
  readonly size: number;
  readonly loaded: LoadedMap;
  /** Path of the export. */
  readonly file: string;
  /** Folder for the CSV files; they are not written where it is left out. */
  readonly folder?: string;
  /** Where the temporary database is made. */
  readonly work: string;
  readonly progress: Progress;
};

export type Reconciled = {
  readonly body: ReconcileBody;
  /** Lines and events of the classes that are findings. */
  readonly findings: number;
  /** The same beyond what the map tolerates. */
  readonly beyond: number;
  /** The export, and the tables that the map names. */
  readonly inputs: readonly ResultInput[];
  readonly notProven: readonly string[];
};

/**
 * Classes every line, and every proven event without one.
 *
 * @throws ConfigError for an export, a table or a map that can't be used, with file, line, column and what to do
 */
export async function reconcile(given: ReconcileGiven): Promise<Reconciled> {
  const { facts, loaded, work: parent } = given;
  const path = facts.location();
  if (path === null) throw new Error("facts in memory can't be attached");
  const work = openWork(parent, path);
  const files = new ClassFiles(given.folder);
  try {
    const tables = await loadLookup(work, loaded);
    const { tariff, inputs } = await loadTariff(loaded);
    const staged = await stageExport(work, given.file, loaded, given.progress);
    const rules = new Rules(loaded.map, loaded.scope, tariff);
    const totals = new Totals(loaded.map);
    const teller = new Teller(work, loaded, totals, files, given.size);
    const tick = (done: number): void => given.progress.update(done, staged.lines, "lines");
    const evidence =
      loaded.map.pick === undefined
        ? besideEvents(work, loaded, rules, teller, tick)
        : besideReadings(work, loaded, rules, teller, tick);
    files.end();
    return {
      ...summed(loaded, totals, evidence, staged),
      inputs: [staged.input, ...tables, ...inputs],
      notProven: notProven(work, loaded, totals),
    };
  } finally {
    files.close();
    work.close();
    given.progress.done();
  }
}

type Evidence = ReconcileBody["evidence"];

function besideEvents(
  work: Work,
  loaded: LoadedMap,
  rules: Rules,
  teller: Teller,
  tick: (done: number) => void,
): Evidence {
  const { proven, unproven } = loadProofs(work, loaded);
  if (loaded.map.match?.by === "window") matchByWindow(work, loaded.map);
  else matchByKey(work, loaded.map);
  matchReferences(work, loaded.map);
  settleAll(work, loaded, rules);
  teller.lines(tick);
  return { proven, unproven, ...teller.events() };
}

function besideReadings(
  work: Work,
  loaded: LoadedMap,
  rules: Rules,
  teller: Teller,
  tick: (done: number) => void,
): Evidence {
  const { pick } = loaded.map;
  if (pick === undefined) throw new Error("no pick in the map");
  const registers = new Registers(work, pick);
  settleReadings(work, loaded, rules, registers);
  const proven = findUnbilled(work, loaded, registers);
  teller.lines(tick);
  teller.readings();
  const unproven = work.db
    .prepare(
      "SELECT count(*) n FROM facts.statements WHERE kind = 'readings' AND standing NOT IN ('good', 'restricted')",
    )
    .get() as { n: number };
  return { proven, unproven: unproven.n, inGrace: 0, notDemanded: 0 };
}

function summed(
  { map, scope }: LoadedMap,
  totals: Totals,
  evidence: Evidence,
  { lines, ignored }: { readonly lines: number; readonly ignored: number },
): Pick<Reconciled, "body" | "findings" | "beyond"> {
  const at = (us: number): string => showInstant(scope.zone, us / 1_000_000);
  const classes = totals.classes();
  const found = classes.filter((one) => FINDINGS.has(one.class));
  return {
    body: {
      against: map.pick === undefined ? "events" : "readings",
      scope: {
        from: at(scope.from),
        to: at(scope.to),
        zone: scope.zone.name,
        graceBeforeS: Math.floor(scope.before / 1_000_000),
        graceAfterS: Math.floor(scope.after / 1_000_000),
      },
      export: { lines, ignored, money: totals.billed() },
      evidence,
      classes,
      metrics: totals.metrics(evidence.proven - evidence.notDemanded),
    },
    findings: found.reduce((sum, { count }) => sum + count, 0),
    beyond: beyondOf(map.tolerance.findings, found),
  };
}

/** One number is for all classes together; else each class has its own. */
function beyondOf(
  tolerated: LoadedMap["map"]["tolerance"]["findings"],
  found: readonly { readonly count: number; readonly tolerated: number }[],
): number {
  if (typeof tolerated !== "number")
    return found.reduce((sum, one) => sum + Math.max(0, one.count - one.tolerated), 0);
  return Math.max(0, found.reduce((sum, { count }) => sum + count, 0) - tolerated);
}

function notProven({ db }: Work, { map }: LoadedMap, totals: Totals): string[] {
  const withheld = db.prepare("SELECT 1 FROM facts.withheld LIMIT 1").get() !== undefined;
  const money = map.csv.columns.amount !== undefined && map.amount.by === "none";
  return [
    "sensor-truth",
    "commit-clock",
    "outside-scope",
    "export-origin",
    ...(money || totals.count("amount-not-attested") > 0 ? ["amounts-not-attested"] : []),
    ...(map.csv.columns.discount === undefined ? [] : ["discounts-not-attested"]),
    ...(map.amount.by === "tariff" ? ["tariff-not-attested"] : []),
    ...(withheld ? ["withheld"] : []),
  ];
}
