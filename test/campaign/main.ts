/**
 * `npm run campaign`: the crash campaign for as long as one likes.
 *
 * @module
 */
import { faultRun, numberOf } from "../support/fault-run.ts";
import { runCampaign } from "./campaign.ts";

/** Of the two minutes in CI; longer runs have more. */
const LEAST_KILLS_A_MINUTE = 15;

await faultRun({
  name: "campaign",
  about:
    "[--minutes N] [--seed S] [--json]\n\nKills broker, anchor and agents at random moments, then checks the whole world.\n  --minutes N  how long (2)",
  options: { minutes: { type: "string" } },
  run: ({ seed, values, say }) => {
    const minutes = numberOf(values, "minutes", 2);
    return runCampaign({ seed, minutes, leastKills: Math.ceil(LEAST_KILLS_A_MINUTE * minutes), say });
  },
});
