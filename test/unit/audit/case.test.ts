import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { decodeBundle, encodeBundle, parsePolicy, toHex, verify } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, noProgress } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { BundleCutter } from "../../../audit/src/case/cut.ts";
import { openFacts, type Facts } from "../../../audit/src/facts/open.ts";
import { auditCommand } from "../../support/audit-command.ts";
import { World } from "../../support/world.ts";
import { makeCase } from "../../support/world-case.ts";
import type { Chain, Device } from "../../support/world-device.ts";

const folder = mkdtempSync(join(tmpdir(), "tally-case-"));
const means = {
  provider: createNodeProvider(),
  hash: nodeSha256,
  progress: noProgress,
  threads: 0,
  cache: join(folder, "cache"),
};
let world: World;
let device: Device;
let chain: Chain;

beforeAll(async () => {
  vi.stubEnv("XDG_CACHE_HOME", folder); // of the commands that are run here
  world = await World.create();
  device = await world.enrol("water/gw-1");
  chain = device.chain("meter/m-1");
  await chain.open();
  await world.commit();
  for (let i = 1; i <= 20; i++) {
    await chain.readings();
    if (i % 5 === 0) await world.commit();
  }
  await device.heads();
  await world.commit();
});
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const open = (path: string): Promise<Facts> =>
  openFacts(path, { ...means, policy: parsePolicy(world.policy()) });

const count = ({ db }: Facts, table: string): number =>
  (db.prepare(`SELECT count(*) AS n FROM ${table}`).get() as { n: number }).n;

describe("facts", () => {
  test("of a case: every statement is good, and what it says is there", async () => {
    const place = join(folder, "whole");
    await makeCase(world, place);
    const facts = await open(place);
    expect(facts.judgement).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    expect(count(facts, "statements")).toBe(23);
    expect(count(facts, "statements WHERE standing = 'good'")).toBe(23);
    expect(count(facts, "readings")).toBe(60);
    expect(facts.db.prepare("SELECT v, unit, t FROM readings ORDER BY statement, n LIMIT 1").get()).toEqual({
      v: "1582.123",
      unit: "kWh",
      t: (chain.statements[1]?.claims.iat ?? 0) * 1e6 - 3e6,
    });
    facts.close();
  });

  test("of a bundle are those of the same case", async () => {
    const sys = await device.sys();
    const file = join(folder, "whole.tally");
    writeFileSync(file, encodeBundle(world.bundle([{ chain }], sys.statements)));
    const facts = await open(file);
    expect(facts.judgement).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    const whole = await open(join(folder, "whole"));
    const rows = "SELECT seq, hash, idx, committed, iat, kind, standing, code FROM statements ORDER BY id";
    expect(facts.db.prepare(rows).all()).toEqual(whole.db.prepare(rows).all());
    facts.close();
    whole.close();
  });
});

test("a tree of another log that was seen is no size of this one, and is not checked", async () => {
  const other = await World.create();
  const gateway = await other.enrol("water/gw-1");
  const meter = gateway.chain("meter/m-1");
  await meter.open();
  await other.commit();
  const lie = { size: 3, root: new Uint8Array(32) };
  await meter.readings(3, { claims: { seen: { ...lie, origin: "log.old.example/2020" } } });
  await gateway.heads();
  await other.commit();
  const place = join(folder, "moved");
  await makeCase(other, place);
  const policy = parsePolicy(other.policy());
  const facts = await openFacts(place, { ...means, policy });
  expect(facts.judgement).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
  const seen = facts.judgement.checks.filter(({ name }) => name === "seen");
  expect(seen.filter(({ result }) => result === "not-done")).toMatchObject([
    { reason: expect.stringContaining("log.old.example/2020") as string },
  ]);
  expect(facts.db.prepare("SELECT seen FROM statements WHERE chain = 1 ORDER BY seq").all()).toEqual([
    { seen: null },
    { seen: null },
  ]);
  const cut = await (await BundleCutter.open(facts, { ...means, policy })).cut([1, 2]);
  expect(verify(encodeBundle(cut), { ...means, policy })).toMatchObject({ verdict: "restricted" });
  facts.close();
  // The same tree as one of this log is a fork.
  const forked = join(folder, "forked");
  await meter.readings(3, { claims: { seen: { ...lie, origin: other.origin } } });
  await gateway.heads();
  await other.commit();
  await makeCase(other, forked);
  const found = await openFacts(forked, { ...means, policy });
  expect(found.judgement).toMatchObject({ verdict: "invalid", code: "log-fork" });
  found.close();
});

test("threads find the same as one alone, row by row", async () => {
  const place = join(folder, "whole");
  const policy = parsePolicy(world.policy());
  const alone = await open(place);
  const facts = await openFacts(place, { ...means, policy, threads: 2, cache: join(folder, "threads") });
  expect(facts.judgement).toEqual(alone.judgement);
  const tables = alone.db.prepare("SELECT name FROM sqlite_schema WHERE type = 'table'").all() as {
    name: string;
  }[];
  expect(tables.length).toBeGreaterThan(10);
  for (const { name } of tables)
    expect(facts.db.prepare(`SELECT * FROM ${name}`).all()).toEqual(
      alone.db.prepare(`SELECT * FROM ${name}`).all(),
    );
  facts.close();
  alone.close();
});

describe("a bundle cut out", () => {
  test.for(["whole", "whole.tally"])(
    "of %s: a stranger finds it complete up to what the device attested",
    async (name) => {
      const facts = await open(join(folder, name));
      const policy = parsePolicy(world.policy());
      const cutter = await BundleCutter.open(facts, { ...means, policy });
      const made = await cutter.cut([8, 3, 4]);
      expect(made.scope.map(({ from, to }) => [from, to])).toEqual([[2, 20]]);
      expect(verify(encodeBundle(made), { ...means, policy })).toMatchObject({
        verdict: "restricted",
        restrictions: ["no-witness"],
      });
      expect(encodeBundle(await cutter.cut([3, 4, 8]))).toEqual(encodeBundle(made));
      await expect(cutter.cut([])).rejects.toMatchObject({ code: "bundle-scope" });
      facts.close();
    },
  );
});

describe("tally-audit verify", () => {
  test("takes a case as it takes a file", async () => {
    const file = join(folder, "policy.txt");
    writeFileSync(file, world.policy());
    const { exit, stdout } = await auditCommand("verify", join(folder, "whole"), "--policy", file, "--json");
    expect(exit).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
  });
});

describe("tally-audit bundle", () => {
  test.for([
    ["numbers", ["--stream", "water/gw-1/meter/m-1", "--seq", "3..5"], 19],
    ["a statement by its hash", ["--hash", "HASH"], 21],
    ["a period of commit times", ["--stream", "water/gw-1/meter/m-1", "--from", "2020-01-01"], 22],
  ] as const)("cuts out of a case, offline: %s", async ([, chosen, many]) => {
    const [file, policy] = [join(folder, `cut-${many}.tally`), join(folder, "policy.txt")];
    writeFileSync(policy, world.policy());
    const hash = toHex(chain.statements[1]?.hash ?? new Uint8Array());
    const args = chosen.map((one) => (one === "HASH" ? hash : one));
    const ran = await auditCommand(
      "bundle",
      join(folder, "whole"),
      ...args,
      "--policy",
      policy,
      "-o",
      file,
      "--json",
    );
    expect(ran.stderr).toContain("written");
    expect(JSON.parse(ran.stdout)).toMatchObject({ verdict: "restricted", restrictions: ["no-witness"] });
    expect(decodeBundle(new Uint8Array(readFileSync(file))).statements).toHaveLength(many);
    expect((await auditCommand("verify", file, "--policy", policy)).exit).toBe(0);
  });

  test("says what isn't there", async () => {
    const args = ["--policy", join(folder, "policy.txt"), "-o", join(folder, "none.tally")];
    const none = await auditCommand("bundle", join(folder, "whole"), "--hash", "0".repeat(64), ...args);
    expect([none.exit, none.stderr]).toEqual([1, expect.stringContaining("[bundle-scope]")]);
    expect((await auditCommand("bundle", join(folder, "whole"), "--hash", "xyz", ...args)).exit).toBe(2);
  });
});
