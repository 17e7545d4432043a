/**
 * Overload, thirty seconds of it: see `docs/campaign.md`.
 *
 * @module
 */
import { expect, test } from "vitest";
import { runOverload } from "../overload/run.ts";
import { anySeed } from "../support/dice.ts";
import { need } from "../support/require.ts";

const OVERLOAD_MS = 30_000;
const disk = need("strace");

test(
  "three times what can be sustained: nothing is lost, memory is bounded, latency comes back",
  { timeout: 600_000 },
  async () => {
    const seed = anySeed();
    console.log(`overload: seed ${seed}; repeat it with: npm run overload -- --minutes 0.5 --seed ${seed}`);
    const seen = await runOverload({ seed, overloadMs: OVERLOAD_MS, disk, say: () => {} });
    console.log(seen);
    expect(seen["statements sent, each in the log once"]).toBeGreaterThan(0);
  },
);
