/** Outages longer than the outbox: what is in the ledger and what the device tells to be missing is together everything that its meters said. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Outage, type OutageOptions } from "../../support/outage.ts";

const METER = { name: "meter/fast", everyS: 1, names: 6 };
const SLOW = { name: "meter/slow", everyS: 7, names: 2 };
const MAX_BYTES = 24_000;

const outage = (whenFull: OutageOptions["whenFull"], streams = [METER, SLOW]): Outage =>
  new Outage({ whenFull, maxBytes: MAX_BYTES, streams });

describe.for(["stop", "drop-oldest"] as const)("when it is full: %s", (whenFull) => {
  test("one long outage", async () => {
    const world = outage(whenFull);
    await world.start();
    await world.pass(20);
    world.rig.anchor.judge = () => "silence";
    await world.pass(250);
    await world.recover();
    const fast = world.check(METER.name);
    world.check(SLOW.name);
    expect(fast.missing.length).toBeGreaterThan(0);
    expect(fast.missing.flatMap(({ gaps }) => gaps.map(({ reason }) => reason))).toContain("outbox-full");
  });
});
