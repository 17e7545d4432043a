/** Outages longer than the outbox: what is in the ledger and what the device tells to be missing is together everything that its meters said. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cutPower, type Cut } from "../../support/power-cut.ts";
import { Outage, type OutageOptions } from "../../support/outage.ts";

const FAST = { name: "meter/fast", everyS: 1, names: 6 };
const SLOW = { name: "meter/slow", everyS: 7, names: 2 };
const MAX_BYTES = 24_000;

const outage = (whenFull: OutageOptions["whenFull"], yaml = ""): Outage =>
  new Outage({ whenFull, maxBytes: MAX_BYTES, streams: [FAST, SLOW], yaml });

/** What the world does for a while. */
type Step =
  | { readonly do: "pass"; readonly seconds: number }
  | { readonly do: "anchor"; readonly says: "receipt" | "silence" | "refuse" }
  | { readonly do: "crash" | "stop"; readonly awayS: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.integer({ min: 1, max: 90 }).map((seconds): Step => ({ do: "pass", seconds })) },
  {
    weight: 3,
    arbitrary: fc
      .constantFrom("receipt" as const, "silence" as const, "silence" as const, "refuse" as const)
      .map((says): Step => ({ do: "anchor", says })),
  },
  {
    weight: 2,
    arbitrary: fc
      .record({
        do: fc.constantFrom("crash" as const, "stop" as const),
        awayS: fc.integer({ min: 0, max: 40 }),
      })
      .map((one): Step => one),
  },
);

async function perform(world: Outage, one: Step): Promise<void> {
  const { rig } = world;
  switch (one.do) {
    case "pass":
      await world.pass(one.seconds);
      break;
    case "anchor":
      rig.anchor.judge = () => (one.says === "refuse" ? { reject: "key-unknown" } : one.says);
      break;
    case "crash":
      world.crash();
      await world.pass(one.awayS);
      await world.start();
      break;
    case "stop":
      await rig.stop();
      await world.pass(one.awayS);
      await world.start();
  }
  void world.waitingBytes;
}

describe.for(["stop", "drop-oldest"] as const)("when it is full: %s", (whenFull) => {
  test("one long outage", async () => {
    const world = outage(whenFull);
    await world.start();
    await world.pass(20);
    world.rig.anchor.judge = () => "silence";
    await world.pass(250);
    await world.recover();
    const fast = world.check(FAST.name);
    world.check(SLOW.name);
    expect(fast.missing.flatMap(({ gaps }) => gaps.map(({ reason }) => reason))).toContain("outbox-full");
  });

  test("whatever happens meanwhile", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 4, maxLength: 14 }), async (steps) => {
        const world = outage(whenFull);
        try {
          await world.start();
          world.rig.anchor.judge = () => "silence";
          await world.pass(30);
          for (const one of steps) await perform(world, one);
          await world.recover();
          world.check(FAST.name);
          world.check(SLOW.name);
          expect(world.most).toBeLessThan(MAX_BYTES * 1.25);
        } finally {
          world.crash();
        }
      }),
      { numRuns: 4, endOnFailure: true },
    );
  });

  test("the power fails at any transaction, while it fills, lets go, and tells", async () => {
    const cuts = fc.record({
      transactions: fc.integer({ min: 0, max: 70 }),
      cut: fc.constantFrom<Cut>("before", "within", "after"),
    });
    await fc.assert(
      fc.asyncProperty(cuts, async ({ transactions, cut }) => {
        const world = new Outage({ whenFull, maxBytes: 6000, streams: [FAST] });
        try {
          await world.start();
          world.rig.anchor.judge = () => "silence";
          await world.pass(20);
          const power = cutPower(world.rig, transactions, cut);
          for (let s = 0; s < 60 && !power.failed; s++) {
            if (s === 25) world.rig.anchor.judge = () => "receipt";
            await world.pass(2);
          }
          world.crash();
          await world.pass(3);
          await world.start();
          await world.recover();
          world.check(FAST.name);
        } finally {
          world.crash();
        }
      }),
      { numRuns: 10, endOnFailure: true },
    );
  });
});

test("after a power cut, before the clock is right again: how much is missing nobody knows yet, that it is, everybody does", async () => {
  const meter = { ...FAST, hasClock: true };
  const world = new Outage({ whenFull: "stop", maxBytes: 1 << 20, streams: [meter] });
  await world.start();
  await world.pass(70);
  world.crash();
  world.rig.system.isSynchronised = false;
  await world.pass(100);
  await world.start();
  await world.pass(20);
  world.rig.system.isSynchronised = true;
  await world.pass(80);
  await world.recover();
  const { missing } = world.check(meter.name);
  expect(missing).toMatchObject([{ kind: "told", gaps: [{ reason: "agent-stopped", count: 0 }] }]);
  expect(missing[0]?.samples, "by the meter's own clock").toBeGreaterThan(90);
});
