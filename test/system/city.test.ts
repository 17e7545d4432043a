/**
 * The generated city, small: whatever was planted is found, and nothing else.
 *
 * @module
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { auditCommand } from "../support/audit-command.ts";
import { auditCity } from "../city/audit.ts";
import { makeCity } from "../city/city.ts";
import { writeExports } from "../city/exports/all.ts";

/** Chosen like any other. */
const SMALL = { seed: 5, meters: 25, lanes: 3, days: 5 } as const;

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tally-city-"));
  folders.push(folder);
  return folder;
}

const checkpointOf = (folder: string): string =>
  readFileSync(join(folder, "anchor", "public", "checkpoint"), "utf8");

test("audited over HTTP by the programs themselves: every planted fault is found, and nothing else", async () => {
  const city = await makeCity(newFolder(), SMALL);
  const audited = await auditCity(city, writeExports(city));
  expect(audited.map(({ what, difference }) => ({ what, ...difference }))).toEqual(
    ["case", "coverage", "tolls", "windows", "registers", "intervals", "bills"].map((what) => ({
      what,
      missed: [],
      beyond: [],
    })),
  );
});

test("the same seed makes the same city, to the last byte of its log; another seed another one", async () => {
  const [one, again, other] = [newFolder(), newFolder(), newFolder()];
  await makeCity(one, SMALL);
  await makeCity(again, SMALL);
  await makeCity(other, { ...SMALL, seed: 6 });
  expect(checkpointOf(again)).toBe(checkpointOf(one));
  expect(checkpointOf(other)).not.toBe(checkpointOf(one));
  const { exit, stdout } = await auditCommand(
    "log",
    join(one, "anchor", "public"),
    "--policy",
    join(one, "policy.txt"),
  );
  expect({ exit, verdict: /: (.*)\n/.exec(stdout)?.[1] }).toEqual({
    exit: 0,
    verdict: "verified with restrictions",
  });
});
