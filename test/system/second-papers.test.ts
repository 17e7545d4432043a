/**
 * Working papers verified, and samples drawn, by a program that was written from the pages alone.
 *
 * @module
 */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { formatVkey, nobleSigner, sha256, encodeUtf8 } from "@tallystick/evidence";
import { noProgress } from "@tallystick/evidence/node";
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { papersOf } from "../../audit/src/papers/make.ts";
import { encodeManifest } from "../../audit/src/papers/manifest.ts";
import { countersignPapers, signPapers } from "../../audit/src/papers/signature.ts";
import { drawByMoney, drawByRank, shares, type Item } from "../../audit/src/sample/draw.ts";
import { findPython } from "../support/python.ts";
import { shownWorld } from "../support/shown-world.ts";

const python = findPython();
const PROGRAM = join(import.meta.dirname, "..", "interop", "papers.py");

function run(args: readonly string[], input = ""): string {
  const { status, stdout, stderr } = spawnSync(python ?? "", [PROGRAM, ...args], { input, encoding: "utf8" });
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  return stdout;
}

describe.runIf(python !== undefined)("a second program", () => {
  const root = mkdtempSync(join(tmpdir(), "tally-second-papers-"));
  const folder = join(root, "papers");
  const signerOf = (name: string) => nobleSigner(sha256(encodeUtf8(`second ${name}`)));
  const [anna, ben] = ["audit.example/anna", "audit.example/ben"];
  const vkeyOf = (name: string): string => formatVkey(name, signerOf(name).key);
  const verified = (...names: readonly string[]): string =>
    run(["verify", folder, ...names.map(vkeyOf)]).trim();

  beforeEach(async () => {
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(join(folder, "items"), { recursive: true });
    const { results } = await shownWorld();
    writeFileSync(join(folder, "result.json"), results.get("reconcile") ?? "");
    writeFileSync(join(folder, "items/1.tally"), "x");
    const manifest = encodeManifest(await papersOf(folder, noProgress));
    const first = await signPapers(
      manifest,
      { name: anna, role: "auditor", atUnixS: 1_790_000_000 },
      signerOf(anna),
    );
    const claims = { name: ben, role: "reviewer", atUnixS: 1_790_000_001 };
    writeFileSync(`${folder}.sig`, await countersignPapers(first, claims, signerOf(ben)));
  });
  afterAll(() => rmSync(root, { recursive: true }));

  test("verifies papers, and sees what was done to them", () => {
    expect(verified(anna, ben)).toBe("verified");
    expect(verified(ben)).toBe("key-unknown");
    expect(verified(anna, "audit.example/carol")).toBe("auditor-missing");
    writeFileSync(join(folder, "items/1.tally"), "y");
    expect(verified(anna)).toBe("papers-mismatch: files");
    writeFileSync(join(folder, "items/1.tally"), "x");
    const file = readFileSync(`${folder}.sig`);
    const at = file.lastIndexOf("reviewer");
    file[at] = 0x52;
    writeFileSync(`${folder}.sig`, file);
    expect(verified(anna, ben)).toBe("signature-invalid");
  });

  test("draws the same samples", async () => {
    const item = fc.record({
      stratum: fc.constantFrom("", "a", "b", "ä", "\u{1F512}"),
      amount: fc.bigInt(0n, 10n ** 12n),
    });
    const plans = fc.record({
      items: fc.array(item, { minLength: 1, maxLength: 60 }),
      seed: fc.string({ unit: "grapheme", maxLength: 12 }),
      part: fc.double({ min: 0, max: 1, noNaN: true }),
      method: fc.constantFrom("stratified", "money-unit"),
    });
    const check = async ({
      items: some,
      seed,
      part,
      method,
    }: typeof plans extends fc.Arbitrary<infer P> ? P : never) => {
      const items = some.map((one, i): Item => ({ id: `line ${i}`, ...one }));
      const counts = new Map<string, number>();
      for (const { stratum } of items) counts.set(stratum, (counts.get(stratum) ?? 0) + 1);
      const n = counts.size + Math.floor(part * (items.length - counts.size));
      const total = items.reduce((sum, { amount }) => sum + amount, 0n);
      fc.pre(method !== "money-unit" || total > 0n);
      const population = async function* (): AsyncGenerator<Item> {
        await Promise.resolve();
        yield* items;
      };
      const drawn =
        method === "money-unit"
          ? await drawByMoney(population, seed, n, total)
          : await drawByRank(population, seed, shares(counts, n));
      const plan = {
        method,
        seed,
        n,
        items: items.map(({ id, stratum, amount }) => [id, stratum, String(amount)]),
      };
      const again = JSON.parse(run(["draw"], JSON.stringify(plan))) as unknown;
      expect(again).toEqual(drawn.map(({ item: { id }, hits }) => [id, hits]));
    };
    await fc.assert(fc.asyncProperty(plans, check), { numRuns: 60 });
  });
});
