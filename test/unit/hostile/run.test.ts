/**
 * The hostile run itself: it finds what is planted, makes each case again from its number, and changes CBOR without breaking what it didn't mean to.
 *
 * @module
 */
import { beforeAll, describe, expect, test } from "vitest";
import { fromHex, toHex } from "@tallystick/evidence";
import { makeCase } from "../../hostile/case.ts";
import { readSequence, walk, writeSequence } from "../../hostile/mutate/cbor-tree.ts";
import { mqttCase } from "../../hostile/mqtt-packets.ts";
import { makeTargets } from "../../hostile/planted.ts";
import { runCases } from "../../hostile/supervise.ts";
import { DEEP_CASES, faultsOf, type TargetTally } from "../../hostile/tally.ts";
import type { Target } from "../../hostile/target.ts";
import { vectors } from "../../support/vectors.ts";

describe("what is planted is found", () => {
  const said: string[] = [];
  let targets: readonly TargetTally[];
  const faults = (name: string): string =>
    faultsOf(targets.find((one) => one.name === name) as TargetTally).join("; ");

  beforeAll(async () => {
    const module = new URL("../../hostile/planted.ts", import.meta.url);
    const options = {
      seed: 1,
      attacked: [],
      say: (line: string) => void said.push(line),
      module,
      hangMs: 6000,
    };
    const all = await runCases({ ...options, cases: 7 * DEEP_CASES });
    // by itself: a thread that another target cost its life has forgotten what it kept
    const leaks = await runCases({ ...options, cases: 12_000, only: "leaks" });
    targets = [...all.filter(({ name }) => name !== "leaks"), ...leaks];
  }, 240_000);

  test("a reader without fault has none", () => expect(faults("sound")).toBe(""));
  test("one that hangs is ended, and the case is named", () => {
    expect(faults("hangs")).toMatch(/^hangs, case \d+: hangs: not over after 6 s/);
    expect(said.join("\n")).toMatch(/hangs, case \d+/);
  });
  test("one that crashes", () =>
    expect(faults("crashes")).toMatch(/case \d+: crashed: TypeError: a fault of the reader/));
  test("one that devours memory is ended", () =>
    expect(faults("devours")).toMatch(/case \d+: (ended its thread|hangs)/));
  test("one that leaks", () => expect(faults("leaks")).toMatch(/what is kept grew by \d+/));
  test("one that accepts what was changed", () =>
    expect(faults("believes")).toMatch(/changed, and accepted/));
  test("one that cases don't get deep into", () => {
    expect(faults("shallow")).toMatch(/never came to: accepted.*cbor-malformed takes/);
  });
});

test("a case is the same each time it is made, and another number is another case", async () => {
  const [target] = (await makeTargets()) as [Target];
  const made = Array.from({ length: 200 }, (_, n) => toHex(makeCase(target, 5, n).bytes));
  expect(Array.from({ length: 200 }, (_, n) => toHex(makeCase(target, 5, n).bytes))).toEqual(made);
  expect(new Set(made).size).toBeGreaterThan(100);
  expect(mqttCase(3, 17)).toEqual(mqttCase(3, 17));
});

test("what is read as a tree is written the same, byte strings that hold CBOR included", () => {
  const { bundles } = vectors("bundle") as { bundles: readonly { hex?: string }[] };
  const bytes = fromHex(bundles[0]?.hex ?? "");
  const nodes = readSequence(bytes) ?? [];
  expect(writeSequence(nodes)).toEqual(bytes);
  expect([...walk(nodes)].filter(({ inner }) => inner !== undefined).length).toBeGreaterThan(20);
});
