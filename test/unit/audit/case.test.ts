import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeBundle, parsePolicy } from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, noProgress } from "@tallystick/evidence/node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openFacts, type Facts } from "../../../audit/src/facts/open.ts";
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
afterAll(() => rmSync(folder, { recursive: true }));

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
