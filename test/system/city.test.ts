/**
 * The generated city, small: whatever was planted is found, and nothing else.
 *
 * @module
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { auditCommand, type Ran } from "../support/audit-command.ts";
import { auditCity, type Audited } from "../city/audit.ts";
import { makeCity, type MadeCity } from "../city/city.ts";
import { writeExports } from "../city/exports/all.ts";
import { windowsMap } from "../city/exports/maps.ts";
import { readResult } from "../city/judge.ts";

/** A seed like any other. */
const SMALL = { seed: 5, meters: 25, lanes: 3, days: 5 } as const;

let root = "";
let city: MadeCity;
let audited: readonly Audited[] = [];

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), "tally-city-"));
  vi.stubEnv("XDG_CACHE_HOME", join(root, "cache")); // facts of its cases
  city = await makeCity(newFolder("audited"), SMALL);
  audited = await auditCity(city, writeExports(city));
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(root, { recursive: true, force: true });
});

function newFolder(name: string): string {
  const folder = join(root, name);
  mkdirSync(folder);
  return folder;
}

test("audited over HTTP by the programs themselves: every planted fault is found, and nothing else", () => {
  expect(audited.map(({ what, difference }) => ({ what, ...difference }))).toEqual(
    ["case", "coverage", "tolls", "windows", "registers", "intervals", "bills"].map((what) => ({
      what,
      missed: [],
      beyond: [],
    })),
  );
});

test("a case in which a device contradicts itself is one, and its evidence as a whole stays invalid", () => {
  const { access, withheld } = JSON.parse(readFileSync(join(city.folder, "case", "case.json"), "utf8")) as {
    access: string | null;
    withheld: readonly { readonly why: string }[];
  };
  expect(access).toMatch(/^[0-9a-f]{64}$/);
  expect(withheld.map(({ why }) => why)).toEqual(["erased"]);
  for (const name of ["coverage", "tolls", "bills"]) {
    const { verdict, code } = readResult(join(city.folder, `result-${name}`));
    expect({ name, verdict, code }).toEqual({ name, verdict: "invalid", code: "fork" });
  }
});

describe("an export is read as it isn't meant", () => {
  /** Beside the city's case, with this map or with a change in the export's own. */
  async function reconcile(name: string, map: string): Promise<Ran> {
    const file = join(root, "other.yaml");
    writeFileSync(file, map);
    writeFileSync(join(root, "accounts.csv"), readFileSync(join(city.folder, "accounts.csv")));
    const [place, policy] = [join(city.folder, "case"), join(city.folder, "policy.txt")];
    const how = ["--map", file, "--case", place, "--policy", policy];
    return auditCommand("reconcile", join(city.folder, `${name}.csv`), ...how);
  }
  const mapOf = (name: string): string => readFileSync(join(city.folder, `${name}.yaml`), "utf8");

  test("a time that the clock showed twice is refused, with its line, unless the map says which one is meant", async () => {
    const { exit, stderr } = await reconcile("windows", windowsMap(city.period, "refuse"));
    expect(exit).toBe(2);
    const lines = readFileSync(join(city.folder, "windows.csv"), "utf8").split("\r\n");
    const twice = lines.flatMap((line, i) => (line.includes("25.10.2026 02:") ? [i + 1] : []));
    expect(twice.length).toBeGreaterThan(1);
    for (const line of twice)
      expect(stderr).toMatch(new RegExp(`windows\\.csv:${line}: column "passed": .*twice`));
  });

  test("a decimal comma for a point: nothing of it is taken for a thousand times as much", async () => {
    const wrong = mapOf("registers")
      .replace('"decimal": ","', '"decimal": "."')
      .replace(/ *"thousands".*\n/, "");
    const { exit, stderr } = await reconcile("registers", wrong);
    expect(exit).toBe(2);
    expect(stderr).toMatch(/registers\.csv:2: column "kWh": .*csv\.decimal/);
  });

  test("a comma between thousands is not the one before decimals", async () => {
    const wrong = mapOf("registers")
      .replace('"decimal": ","', '"decimal": "."')
      .replace('"thousands": "."', '"thousands": ","');
    const { exit, stderr } = await reconcile("registers", wrong);
    expect(exit).toBe(2);
    expect(stderr).toMatch(/registers\.csv:2: column "kWh": /);
  });

  test("in another encoding: the line is named", async () => {
    const { exit, stderr } = await reconcile("tolls", mapOf("tolls").replace("windows-1252", "utf-8"));
    expect(exit).toBe(2);
    expect(stderr).toMatch(/tolls\.csv:1: .*utf-8/);
  });

  test("of another month: refused as that", async () => {
    const wrong = mapOf("bills")
      .replace(/"from": "2026-10-\d\d"/, '"from": "2026-09-01"')
      .replace(/"to": "2026-\d\d-\d\d"/, '"to": "2026-09-08"');
    const { exit, stderr } = await reconcile("bills", wrong);
    expect(exit).toBe(2);
    expect(stderr).toMatch(/this export is of 2026-10/);
  });
});

test("the same seed makes the same city, to the last byte of its log; another seed another one", async () => {
  const checkpointOf = async (name: string, seed: number): Promise<string> => {
    const { folder } = await makeCity(newFolder(name), { ...SMALL, seed });
    return readFileSync(join(folder, "anchor", "public", "checkpoint"), "utf8");
  };
  const one = await checkpointOf("one", 6);
  expect(await checkpointOf("again", 6)).toBe(one);
  expect(await checkpointOf("other", 7)).not.toBe(one);
  const policy = join(root, "one", "policy.txt");
  const { exit, stdout } = await auditCommand(
    "log",
    join(root, "one", "anchor", "public"),
    "--policy",
    policy,
  );
  expect({ exit, verdict: /: (.*)\n/.exec(stdout)?.[1] }).toEqual({
    exit: 0,
    verdict: "verified with restrictions",
  });
});
