/** The fault runs' own eyes: what their witness must not overlook. */
import { describe, expect, test } from "vitest";
import { sha256 } from "@tallystick/evidence";
import { Dice } from "../support/dice.ts";
import { finding, WorldFault, type Finding } from "../support/finding.ts";
import { LogWitness } from "../support/log-witness.ts";
import { World } from "../support/world.ts";

const STRANGE = sha256(new Uint8Array([1]));

async function scene() {
  const world = await World.create();
  const device = await world.enrol("city/gw-1");
  const chain = device.chain("meter/m-1");
  await chain.open();
  const [one, two] = [await chain.readings(), await chain.readings()];
  const batch = await world.commit();
  return { world, one, two, batch, witness: new LogWitness(world.vkey) };
}

const invariants = (findings: readonly Finding[]): readonly string[] =>
  findings.map(({ invariant }) => invariant);

describe("the witness of a fault run", () => {
  test("has nothing to say of an honest log", async () => {
    const { world, one, two, batch, witness } = await scene();
    witness.note(batch.note, "here");
    witness.receipt(world.receipt([one, two]), [one.hash, two.hash], "here");
    expect(witness.compare(world.entries)).toEqual([]);
    expect(witness.seen).toEqual({ notes: 1, receipts: 1, receipted: 2, sizes: 1 });
  });

  test("sees two trees of one size, in notes, in receipts, and in what receipts say beside the root", async () => {
    const { world, one, batch, witness } = await scene();
    witness.note(batch.note, "here");
    witness.receipt(world.receipt([one]), [one.hash], "here");
    witness.note((await world.commit({ root: STRANGE })).note, "there");
    expect(invariants(witness.findings)).toEqual(["F5"]);
    const other = await world.commit({ keysRoot: STRANGE });
    witness.receipt(world.receipt([one], other), [one.hash], "there");
    expect(invariants(witness.findings)).toEqual(["F5", "F5"]);
  });

  test("sees a receipt for what is not in the log, and one that the log did not sign", async () => {
    const { world, one, two, witness } = await scene();
    witness.receipt(world.receipt([one]), [one.hash], "here");
    const index = world.indexOf(one);
    expect(invariants(witness.compare(world.entries.with(index, STRANGE)))).toEqual(["F4", "F5"]);
    witness.receipt(world.receipt([one]), [two.hash], "here");
    expect(invariants(witness.findings)).toEqual(["F4"]);
  });

  test("sees a log that is shorter than what was signed", async () => {
    const { world, batch, witness } = await scene();
    witness.note(batch.note, "here");
    expect(invariants(witness.compare(world.entries.slice(0, -1)))).toEqual(["F5"]);
  });
});

test("a fault of the world names each invariant, and not everything of one", () => {
  const many = Array.from({ length: 20 }, (_, i) => finding("F1", `reading ${i}`));
  const { message } = new WorldFault([...many, finding("F5", "two roots")]);
  expect(message).toMatch(/21 findings[^]*F1: reading 0\n[^]*and 8 more\n[^]*F5: two roots/);
});

test("dice fall the same for the same seed", () => {
  const throws = (seed: number): readonly number[] => {
    const dice = new Dice(seed);
    return Array.from({ length: 20 }, () => dice.whole(1, 6));
  };
  expect(throws(7)).toEqual(throws(7));
  expect(throws(7)).not.toEqual(throws(8));
  expect(new Set(throws(7)).size).toBeGreaterThan(3);
});
