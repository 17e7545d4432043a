import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { Statement } from "@tallystick/evidence";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { auditCommand } from "../../support/audit-command.ts";
import { World } from "../../support/world.ts";
import { makeCase } from "../../support/world-case.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-archive-"));
const log = join(folder, "log");
const policy = join(folder, "policy.txt");
let world: World;
let gone: Statement;
let lost: Statement;

beforeAll(async () => {
  vi.stubEnv("XDG_CACHE_HOME", folder);
  world = await World.create();
  const device = await world.enrol("water/gw-1");
  const chain = device.chain("meter/m-1");
  await chain.open();
  for (let i = 0; i < 300; i++) await chain.readings(1);
  await world.commit();
  gone = chain.statements[200] ?? expect.fail();
  lost = chain.statements[100] ?? expect.fail();
  const trail = device.chain("access");
  await trail.open();
  await trail.event({ kind: "erased", hash: gone.hash, order: "court 17/2026" });
  await device.heads();
  await world.commit();
  for (const [path, bytes] of world.files()) {
    mkdirSync(dirname(join(log, path)), { recursive: true });
    writeFileSync(join(log, path), bytes);
  }
  writeFileSync(policy, world.policy());
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

type Said = {
  verdict: string;
  code?: string;
  checks: { name: string; result: string; reason?: string; code?: string }[];
};

async function audited(name: string, without: readonly Statement[]): Promise<{ exit: number; said: Said }> {
  await makeCase(world, join(folder, name), { without });
  const ran = await auditCommand("log", log, "--policy", policy, "--archive", join(folder, name), "--json");
  return { exit: ran.exit, said: JSON.parse(ran.stdout) as Said };
}

const archiveOf = ({ checks }: Said) => checks.filter(({ name }) => name === "archive");

test("every leaf has its statement, or the order that erased it", async () => {
  const whole = await audited("whole", []);
  expect([whole.exit, archiveOf(whole.said)]).toEqual([
    0,
    [expect.objectContaining({ result: "passed", reason: expect.stringContaining("erased: 0") as string })],
  ]);
  const erased = await audited("erased", [gone]);
  expect([erased.exit, archiveOf(erased.said)]).toEqual([
    0,
    [expect.objectContaining({ result: "passed", reason: expect.stringContaining("erased: 1") as string })],
  ]);
});

test("one that is lost is named by its place", async () => {
  const { exit, said } = await audited("lost", [gone, lost]);
  expect([exit, said.verdict, said.code]).toEqual([1, "invalid", "hole"]);
  expect(archiveOf(said)).toMatchObject([{ result: "failed", code: "hole" }]);
  expect(archiveOf(said)[0]?.reason).toContain(`entry ${world.indexOf(lost)}:`);
});

test("a case of another log is none of this one's archive", async () => {
  const other = await World.create({ origin: "other.example/2026" });
  const device = await other.enrol("water/gw-1");
  await device.chain("meter/m-1").open();
  await other.commit();
  await makeCase(other, join(folder, "other"), {});
  const ran = await auditCommand(
    "log",
    log,
    "--policy",
    policy,
    "--archive",
    join(folder, "other"),
    "--json",
  );
  expect(ran.exit).toBe(1);
  expect(archiveOf(JSON.parse(ran.stdout) as Said)).toMatchObject([
    { result: "failed", code: "log-unknown" },
  ]);
});
