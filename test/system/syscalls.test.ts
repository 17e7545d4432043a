/**
 * Every system call, a sample bounded in time: each call with one fault, in an order in which every kind comes early. See `docs/campaign.md`.
 *
 * @module
 */
import { expect, test } from "vitest";
import { anySeed } from "../support/dice.ts";
import { need } from "../support/require.ts";
import { runSyscalls } from "../syscalls/run.ts";
import type { Target } from "../syscalls/story.ts";

const haveStrace = need("strace");
/** Both go side by side; then no further case is begun. */
const WITHIN_MS = 200_000;

test.skipIf(!haveStrace).concurrent.each<Target>(["anchor", "agent"])(
  "whatever call of the %s fails, or kills it: it ends, and the next start goes on from there",
  { timeout: 600_000 },
  async (target) => {
    const seed = anySeed();
    console.log(
      `syscalls: seed ${seed}; repeat it with: npm run syscalls -- --target ${target} --sample --seed ${seed}`,
    );
    const seen = await runSyscalls({ seed, target, every: false, withinMs: WITHIN_MS, say: () => {} });
    console.log(seen);
    expect(seen["calls failed"]).toMatch(/^[1-9]\d* of [1-9]/);
  },
);
