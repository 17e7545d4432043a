/**
 * The crash campaign, two minutes of it: see `docs/campaign.md`.
 *
 * @module
 */
import { expect, test } from "vitest";
import { runCampaign } from "../campaign/campaign.ts";
import { anySeed } from "../support/dice.ts";

const MINUTES = 2;
const LEAST_KILLS = 30;

test(
  "killed at random moments for two minutes, the town loses nothing and says nothing false",
  { timeout: 600_000 },
  async () => {
    const seed = anySeed();
    console.log(
      `campaign: seed ${seed}; repeat it with: npm run campaign -- --minutes ${MINUTES} --seed ${seed}`,
    );
    const seen = await runCampaign({ seed, minutes: MINUTES, leastKills: LEAST_KILLS, say: () => {} });
    console.log(seen);
    expect(seen["kills"]).toBeGreaterThanOrEqual(LEAST_KILLS);
    // The account is not of nothing.
    expect(seen["telegrams that surely arrived"]).toBeGreaterThan(0);
    expect(seen["receipts seen"]).toBeGreaterThan(0);
  },
);
