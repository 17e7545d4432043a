/** The attackers' suite, once: nothing gets in, and nobody who does as he should notices much. `npm run attackers` goes on for longer. */
import { expect, test } from "vitest";
import { ATTACKS } from "../attackers/attacks/all.ts";
import { runAttackers } from "../attackers/run.ts";

/** A window shorter than this holds too few receipts to say anything of a rate. */
const MEASURED_FROM_S = 2;
/** Honest devices keep their rate within 20 %; what CI's other processes take is in it too. */
const LEAST_SHARE = 0.8;
/** What broker and anchor may have at any moment, MiB: Node, their buffers, and what the broker's limits let in. */
const MOST_MIB = { broker: 420, anchor: 400 } as const;

test("attackers get nothing in, take nobody's place, and little of anybody's rate", async () => {
  const { attacks, faults, memory } = await runAttackers({
    seconds: 2.5,
    withinMs: 150_000,
    say: (line) => console.log(line),
  });
  console.log(JSON.stringify(memory));
  expect(faults).toEqual([]);
  expect(attacks.map(({ name }) => name)).toEqual(Object.keys(ATTACKS));
  const tried = new Map(attacks.map((one) => [one.name, one.tried]));
  expect(tried.get("mutated and oversized packets")).toBeGreaterThanOrEqual(10_000);
  expect(tried.get("connection attempts")).toBeGreaterThanOrEqual(5000);
  for (const { tried: times } of attacks) expect(times).toBeGreaterThan(0);
  const slowed = attacks.filter(({ seconds, share }) => seconds >= MEASURED_FROM_S && share < LEAST_SHARE);
  expect(slowed).toEqual([]);
  // Five go on for a fixed time; the others for as long as what they try takes here.
  expect(attacks.filter(({ seconds }) => seconds >= MEASURED_FROM_S).length).toBeGreaterThanOrEqual(5);
  const visits = attacks.reduce((sum, one) => sum + one.visits, 0);
  const turnedAway = attacks.reduce((sum, one) => sum + one.turnedAway, 0);
  expect(visits).toBeGreaterThan(3);
  expect(turnedAway, "newcomers that were turned away").toBeLessThanOrEqual(1);
  for (const name of ["broker", "anchor"] as const) expect(memory[name].peak).toBeLessThan(MOST_MIB[name]);
});
