import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { toHex } from "@tallystick/evidence";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drawByMoney, drawByRank, shares, startOf, type Item } from "../../../audit/src/sample/draw.ts";
import { LINE_CLASSES } from "../../../audit/src/reconcile/body.ts";
import { resultText, type Result } from "../../../audit/src/result.ts";
import type { SampleBody } from "../../../audit/src/sample/body.ts";
import { TOOL } from "../../../audit/src/papers/tool.ts";
import { report } from "../../../audit/src/commands/report.ts";
import { sample as command } from "../../../audit/src/commands/sample.ts";
import { verifyFiles } from "../../../audit/src/commands/verify.ts";
import { commandHere } from "../../support/command-here.ts";
import { makeCase } from "../../support/world-case.ts";
import { World } from "../../support/world.ts";

const population = <T extends Item>(items: readonly T[]) =>
  async function* (): AsyncGenerator<T> {
    await Promise.resolve();
    yield* items;
  };
const itemsOf = (amounts: readonly number[]): Item[] =>
  amounts.map((amount, i) => ({ id: `item ${i}`, stratum: "", amount: BigInt(amount) }));
const all = (n: number, count: number) => new Map([["", { count, drawn: n }]]);

describe("a simple sample", () => {
  test("is the lowest SHA-256 of algorithm, seed and id, as any program can say", async () => {
    const items = itemsOf(Array.from({ length: 50 }, () => 0));
    const byHand = items
      .map(({ id }) => [createHash("sha256").update(`tally-sample 1\ndice 6 2 5\n${id}`).digest("hex"), id])
      .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1))
      .slice(0, 7);
    const drawn = await drawByRank(population(items), "dice 6 2 5", all(7, 50));
    expect(drawn.map(({ rank, item }) => [toHex(rank), item.id])).toEqual(byHand);
  });

  test("does not depend on the order of the items", async () => {
    const items = itemsOf(Array.from({ length: 100 }, () => 0));
    const [a, b] = await Promise.all(
      [items, items.toReversed()].map((some) => drawByRank(population(some), "s", all(10, 100))),
    );
    expect(a).toEqual(b);
  });

  // 2,000 seeds, 5 of 20: each item is expected 500 times; 8 standard deviations are 155.
  test("gives every item the same chance", async () => {
    const items = itemsOf(Array.from({ length: 20 }, () => 0));
    const times = new Map<string, number>();
    for (let seed = 0; seed < 2000; seed++) {
      for (const { item } of await drawByRank(population(items), `seed ${seed}`, all(5, 20)))
        times.set(item.id, (times.get(item.id) ?? 0) + 1);
    }
    expect(times.size).toBe(20);
    for (const count of times.values()) expect(Math.abs(count - 500)).toBeLessThan(155);
  });
});

describe("shares of strata", () => {
  test("take all of n, one of each at least, none more than it has, and keep the proportion within one", () => {
    const counts = fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 30 });
    fc.assert(
      fc.property(counts, fc.double({ min: 0, max: 1, noNaN: true }), (sizes, part) => {
        const sum = sizes.reduce((a, b) => a + b, 0);
        const n = sizes.length + Math.floor(part * (sum - sizes.length));
        const strata = shares(new Map(sizes.map((count, i) => [`s${i}`, count])), n);
        let drawn = 0;
        for (const one of strata.values()) {
          drawn += one.drawn;
          expect(one.drawn).toBeGreaterThanOrEqual(1);
          expect(one.drawn).toBeLessThanOrEqual(one.count);
          const left = sum - sizes.length;
          const fair = left === 0 ? 1 : 1 + ((n - sizes.length) * (one.count - 1)) / left;
          expect(Math.abs(one.drawn - fair)).toBeLessThan(1);
        }
        expect(drawn).toBe(n);
      }),
    );
  });

  test("by hand: 3 of 60 + 30 + 10, and a tie goes to the first name", () => {
    const drawn = (counts: Record<string, number>, n: number) =>
      Object.fromEntries(
        [...shares(new Map(Object.entries(counts)), n)].map(([name, one]) => [name, one.drawn]),
      );
    expect(drawn({ a: 60, b: 30, c: 10 }, 10)).toEqual({ a: 5, b: 3, c: 2 });
    expect(drawn({ b: 10, a: 10 }, 3)).toEqual({ a: 2, b: 1 });
  });
});

describe("a money-unit sample", () => {
  const points = (amounts: readonly number[], seed: string, n: number): number[] => {
    // By the definition: point k at (k * total + start) / n, in exact fractions.
    const total = BigInt(amounts.reduce((a, b) => a + b, 0));
    const start = startOf(seed, total);
    const hits = amounts.map(() => 0);
    for (let k = 0n; k < BigInt(n); k++) {
      const place = k * total + start;
      let sum = 0n;
      for (const [i, amount] of amounts.entries()) {
        const before = sum * BigInt(n);
        sum += BigInt(amount);
        if (place >= before && place < sum * BigInt(n)) hits[i] = (hits[i] ?? 0) + 1;
      }
    }
    return hits;
  };

  test("hits what the points of its definition fall on", async () => {
    const amounts = fc.array(fc.integer({ min: 0, max: 1000 }), { minLength: 1, maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(
        amounts,
        fc.string({ maxLength: 8 }),
        fc.integer({ min: 1, max: 40 }),
        async (some, seed, n) => {
          const total = some.reduce((a, b) => a + b, 0);
          fc.pre(total > 0);
          const drawn = await drawByMoney(population(itemsOf(some)), seed, n, BigInt(total));
          const hits = some.map((_, i) => drawn.find(({ item }) => item.id === `item ${i}`)?.hits ?? 0);
          expect(hits).toEqual(points(some, seed, n));
          expect(drawn.reduce((sum, one) => sum + one.hits, 0)).toBe(n);
        },
      ),
    );
  });

  test("an item as large as an interval is always drawn, one of nothing never, others by their amount", async () => {
    const items = itemsOf([0, 100, 5, 20, 75, 0]);
    const times = new Map<string, number>();
    for (let seed = 0; seed < 2000; seed++) {
      for (const { item } of await drawByMoney(population(items), `seed ${seed}`, 2, 200n))
        times.set(item.id, (times.get(item.id) ?? 0) + 1);
    }
    expect(times.get("item 1")).toBe(2000);
    expect(times.has("item 0") || times.has("item 5")).toBe(false);
    // 5 of 100, 20 of 100, 75 of 100 in each interval: 100, 400, 1500; 8 standard deviations each.
    for (const [id, mean, within] of [
      ["item 2", 100, 78],
      ["item 3", 400, 143],
      ["item 4", 1500, 155],
    ] as const)
      expect(Math.abs((times.get(id) ?? 0) - mean), id).toBeLessThan(within);
  });
});

describe("the command", () => {
  const folder = mkdtempSync(join(tmpdir(), "tally-sample-"));
  const at = (name: string): string => join(folder, name);
  let hashes: string[] = [];

  beforeAll(async () => {
    process.env["XDG_CACHE_HOME"] = at("cache");
    const world = await World.create();
    for (const name of ["gw-1", "gw-2"]) {
      const device = await world.enrol(`water/${name}`);
      const chain = device.chain("meter/m-1");
      await chain.open();
      await world.commit();
      for (let i = 0; i < (name === "gw-1" ? 12 : 4); i++) await chain.readings();
      await device.heads();
      hashes.push(...chain.statements.slice(1).map(({ hash }) => toHex(hash)));
    }
    await world.commit();
    await makeCase(world, at("case"));
    writeFileSync(at("policy.txt"), world.policy());
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  const sample = (input: string, output: string, ...args: readonly string[]) =>
    commandHere(
      command,
      at(input),
      "--policy",
      at("policy.txt"),
      "--seed",
      "dice 6 2 5",
      "-o",
      at(output),
      ...args,
    );
  const bodyOf = (name: string): SampleBody =>
    (JSON.parse(readFileSync(at(`${name}/result.json`), "utf8")) as Result<SampleBody>).body;

  test("of a case: the statements that any program draws, each in a bundle that verifies", async () => {
    const ran = await sample("case", "s1", "--n", "5");
    expect(ran.stderr).toBe("");
    expect(ran.exit).toBe(0);
    const byHand = hashes
      .map((hash) => [createHash("sha256").update(`tally-sample 1\ndice 6 2 5\n${hash}`).digest("hex"), hash])
      .toSorted(([a = ""], [b = ""]) => (a < b ? -1 : 1))
      .slice(0, 5)
      .map(([, hash]) => hash);
    const { examples, population: drawnFrom } = bodyOf("s1");
    expect(examples.map(({ id }) => id)).toEqual(byHand);
    expect(drawnFrom.count).toBe(16);
    expect(readdirSync(at("s1")).toSorted()).toEqual(["items", "items.csv", "result.json"]);
    const bundles = examples.map(({ bundle }) => at(`s1/${bundle}`));
    const checked = await commandHere(verifyFiles, ...bundles, "--policy", at("policy.txt"), "--json");
    expect(checked.exit).toBe(0);
    expect(checked.stdout.trimEnd().split("\n")).toHaveLength(5);
  });

  test("the same bytes again, elsewhere; and nothing over what is there", async () => {
    await sample("case", "s2", "--n", "5");
    for (const name of ["result.json", "items.csv", "items/1.tally", "items/5.tally"])
      expect(readFileSync(at(`s2/${name}`)).equals(readFileSync(at(`s1/${name}`))), name).toBe(true);
    expect((await sample("case", "s2", "--n", "5")).stderr).toContain("[storage-exists]");
  });

  test("of strata: some of each", async () => {
    expect((await sample("case", "s3", "--n", "4", "--stratify", "iss")).exit).toBe(0);
    expect(bodyOf("s3").strata).toEqual([
      { name: "water/gw-1", count: 12, drawn: 3 },
      { name: "water/gw-2", count: 4, drawn: 1 },
    ]);
  });

  test("of lines: by amount, with the evidence of each", async () => {
    const columns =
      "line,type,key,account,stream,time,until,currency,billed,proven,difference,quantityBilled,quantityProven,reason,statements,indexes,checkpoint";
    const row = (i: number, billed: string): string =>
      `${i + 2},charge,k${i},,,,,EUR,${billed},${billed},0,,,,${hashes[i] ?? ""},${i},1\n`;
    const lines = ["10.00", "0.00", "500.00", "-3.50", "7.25"].map((billed, i) => row(i, billed));
    mkdirSync(at("reconciled"));
    writeFileSync(at("reconciled/billed-and-proven.csv"), `${columns}\n${lines.slice(0, 3).join("")}`);
    writeFileSync(at("reconciled/charged-twice.csv"), `${columns}\n${lines.slice(3).join("")}`);
    const counts: Record<string, number> = { "billed-and-proven": 3, "charged-twice": 2 };
    const result: Result = {
      v: 1,
      kind: "reconcile",
      tool: TOOL,
      verdict: "verified",
      findings: 2,
      log: { origin: "o", size: 1, root: "00".repeat(32) },
      inputs: (JSON.parse(readFileSync(at("s1/result.json"), "utf8")) as Result).inputs.filter(
        ({ role }) => role === "case",
      ),
      checks: [],
      restrictions: [],
      notProven: [],
      repeat: [],
      body: {
        against: "events",
        scope: { from: "", to: "", zone: "UTC", graceBeforeS: 0, graceAfterS: 0 },
        export: { lines: 5, ignored: 0, money: [] },
        evidence: { proven: 5, unproven: 0, inGrace: 0, notDemanded: 0 },
        classes: LINE_CLASSES.map((name) => ({
          class: name,
          count: counts[name] ?? 0,
          money: [],
          quantity: null,
          reasons: {},
          finding: false,
          tolerated: 0,
          file: `${name}.csv`,
          examples: [],
        })),
        metrics: [],
      },
    };
    writeFileSync(at("reconciled/result.json"), resultText(result));
    const ran = await sample("reconciled", "s4", "--case", at("case"), "--n", "2", "--money-unit");
    expect(ran.stderr).toBe("");
    const body = bodyOf("s4");
    expect(body.population).toEqual({ count: 5, amount: "520.75", currency: "EUR" });
    // two intervals of 260.375, and 500 lies over one whole
    expect(body.examples.find(({ id }) => id === "billed-and-proven 3")?.verdict).toBe("restricted");
    expect(body.examples.reduce((sum, { hits }) => sum + Number(hits), 0)).toBe(2);

    writeFileSync(at("reconciled/charged-twice.csv"), `${columns}\n${lines[3] ?? ""}`);
    const short = await sample("reconciled", "s5", "--case", at("case"), "--n", "2");
    expect(short.stderr).toContain("[result-malformed]");
    expect(readdirSync(folder).filter((name) => name.startsWith("s5"))).toEqual([]);

    const [input] = result.inputs;
    if (input === undefined) throw new Error("no case");
    writeFileSync(
      at("reconciled/result.json"),
      resultText({ ...result, inputs: [{ ...input, sha256: "00".repeat(32) }] }),
    );
    const other = await sample("reconciled", "s5", "--case", at("case"), "--n", "2");
    expect(other.stderr).toContain("the lines were reconciled with another one");
    expect(other.exit).toBe(2);
  });

  test("usage: what can't be drawn", async () => {
    for (const args of [
      ["--n", "17"],
      ["--n", "1", "--stratify", "iss"],
      ["--n", "2", "--money-unit"],
    ])
      expect((await sample("case", "s6", ...args)).exit, args.join(" ")).toBe(2);
  });

  test("a sample is a report, and working papers", async () => {
    const page = await commandHere(report, at("s3"), "-o", at("s3.html"), "--lang", "de");
    expect(page.stderr).toBe("");
    const text = readFileSync(at("s3.html"), "utf8");
    expect(text).toContain("aus jeder Schicht, im Verhältnis (tally-sample 1)");
    expect(text).toContain("items/1.tally");
  });
});
