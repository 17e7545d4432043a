/**
 * The worked examples: as the repository has them, as their script makes them, and as the command finds them.
 *
 * @module
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { reconcile } from "../../../../audit/src/commands/reconcile.ts";
import { LINE_CLASSES, type ReconcileBody } from "../../../../audit/src/reconcile/body.ts";
import { parseResult } from "../../../../audit/src/result-read.ts";
import { EXAMPLES } from "../../../examples/exports.ts";
import { exampleFiles } from "../../../examples/make.ts";
import { auditCommand } from "../../../support/audit-command.ts";
import { commandHere } from "../../../support/command-here.ts";

const FOLDER = join(import.meta.dirname, "..", "..", "..", "..", "docs", "examples");
const DOCS = readFileSync(join(FOLDER, "..", "reconcile.md"), "utf8");

let temporary = "";
beforeAll(() => {
  temporary = mkdtempSync(join(tmpdir(), "tally-examples-"));
  vi.stubEnv("XDG_CACHE_HOME", join(temporary, "cache"));
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(temporary, { recursive: true, force: true });
});

const at = (name: string): string => join(FOLDER, name);
const run = (name: string, ...more: string[]) =>
  commandHere(
    reconcile,
    at(`${name}.csv`),
    "--map",
    at(`${name}.yaml`),
    "--case",
    at("evidence.tally"),
    "--policy",
    at("policy.txt"),
    ...more,
  );

test("are what their script makes", async () => {
  const made = await exampleFiles();
  expect(readdirSync(FOLDER).toSorted()).toEqual(Object.keys(made).toSorted());
  for (const [name, content] of Object.entries(made))
    expect(Buffer.compare(readFileSync(at(name)), Buffer.from(content)), name).toBe(0);
});

describe.for(EXAMPLES)("$name", ({ name, counts }) => {
  test("has the lines of each class that it is made to have", async () => {
    const out = join(temporary, name);
    const { exit, stderr } = await run(name, "-o", out);
    expect(stderr).toBe(`tally-audit reconcile: ${out}: written\n`);
    expect(exit).toBe(1);
    const result = parseResult(readFileSync(join(out, "result.json")), "result.json");
    const { classes } = result.body as ReconcileBody;
    const found = classes.filter(({ count }) => count > 0).map(({ class: one, count }) => [one, count]);
    expect(Object.fromEntries(found)).toEqual(counts);
    expect(result).toMatchObject({ kind: "reconcile", verdict: "restricted", restrictions: ["no-witness"] });
    for (const { class: one, count, file } of classes) {
      const lines = readFileSync(join(out, file), "utf8").trimEnd().split("\n");
      expect(lines, one).toHaveLength(count + 1);
    }
    expect(readdirSync(out).toSorted()).toEqual(
      [...LINE_CLASSES.map((one) => `${one}.csv`), "result.json"].toSorted(),
    );
  });

  test("gives the same bytes again, wherever it is written", async () => {
    const out = join(temporary, `${name}-again`);
    await run(name, "-o", out);
    for (const file of readdirSync(out))
      expect(readFileSync(join(out, file), "utf8"), file).toBe(
        readFileSync(join(temporary, name, file), "utf8"),
      );
    expect(readFileSync(join(out, "result.json"), "utf8")).not.toContain(temporary);
  });

  test("is shown in the documentation as it is", async () => {
    const { stdout } = await run(name);
    expect(DOCS).toContain(stdout.trimEnd());
  });
});

test("with --json what is printed is what is written", async () => {
  const { stdout } = await run("tolls", "--json");
  expect(stdout).toBe(readFileSync(join(temporary, "tolls", "result.json"), "utf8"));
});

test("a folder that is there already is left alone, and an export that can't be read leaves nothing behind", async () => {
  const before = readFileSync(join(temporary, "tolls", "result.json"), "utf8");
  const again = await run("tolls", "-o", join(temporary, "tolls"));
  expect([again.exit, again.stderr]).toEqual([
    2,
    `tally-audit run: -o ${join(temporary, "tolls")}: is there already; name a new folder\n`,
  ]);
  expect(readFileSync(join(temporary, "tolls", "result.json"), "utf8")).toBe(before);

  const place = mkdtempSync(join(temporary, "bad-"));
  const bad = join(place, "bad.csv");
  writeFileSync(bad, readFileSync(at("tolls.csv"), "latin1").replace("3,50;", "x;"), "latin1");
  const args = ["--map", at("tolls.yaml"), "--case", at("evidence.tally"), "--policy", at("policy.txt")];
  const failed = await auditCommand("reconcile", bad, ...args, "-o", join(place, "out"));
  expect([failed.exit, failed.stdout]).toEqual([2, ""]);
  expect(failed.stderr).toBe(
    'tally-audit reconcile: bad.csv:2: column "Betrag €": "x" is no number as the map has it; set csv.decimal and csv.thousands\n',
  );
  expect(readdirSync(place)).toEqual(["bad.csv"]);
});

test("an export that is none is told as such", async () => {
  const args = ["--map", at("tolls.yaml"), "--case", at("evidence.tally"), "--policy", at("policy.txt")];
  const said = async (file: string) => commandHere(reconcile, file, ...args);
  expect(await said(FOLDER)).toMatchObject({
    exit: 2,
    stderr: `tally-audit run: ${FOLDER}: a folder: give the export\n`,
  });
  expect(await said(at("gone.csv"))).toMatchObject({
    exit: 2,
    stderr: `tally-audit run: ${at("gone.csv")}: no such file: give the export\n`,
  });
});

test("evidence of a log that the policy doesn't know proves nothing", async () => {
  const policy = join(temporary, "other-policy.txt");
  writeFileSync(
    policy,
    readFileSync(at("policy.txt"), "utf8")
      .replace(/^log .*\n/, "")
      .replace(/^operator.*\n/m, ""),
  );
  const args = ["--map", at("tolls.yaml"), "--case", at("evidence.tally"), "--policy", policy];
  const { exit, stdout } = await auditCommand("reconcile", at("tolls.csv"), ...args);
  expect(exit).toBe(3);
  expect(stdout).toMatch(/^evidence: not-verifiable \(log-unknown\)/);
  expect(stdout).not.toMatch(/billed and proven +[1-9]/);
});

test("a first map is suggested that reads the export, and says what it understood", async () => {
  const { exit, stdout, stderr } = await auditCommand("reconcile", at("tolls.csv"), "--suggest");
  expect(exit).toBe(0);
  expect(stdout).toContain(
    'separator: ";"\n  encoding: windows-1252\n  decimal: ","\n  time: "DD.MM.YYYY HH:mm:ss"',
  );
  expect(stdout).toContain("from: 2026-11-01\n  to: 2026-12-01");
  expect(stderr.split("\n").slice(0, 3)).toEqual([
    "tolls.csv: 5 lines as this map reads them:",
    "  line 2: type charge, key N-101, time 2026-11-02T08:10:00+00:00, amount 3.50 EUR",
    "  line 3: type charge, key N-102, trip F-1, time 2026-11-02T08:15:30+00:00, amount 7.70 EUR",
  ]);
});
