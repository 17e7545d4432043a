/**
 * `npm run overload`: three times what can be sustained, restarts under load, slow and full disks.
 *
 * @module
 */
import { faultRun, numberOf } from "../support/fault-run.ts";
import { need } from "../support/require.ts";
import { runOverload } from "./run.ts";

const MINUTE_MS = 60_000;

await faultRun({
  name: "overload",
  about:
    "[--minutes N] [--seed S] [--json]\n\nOffers three times what can be sustained, then restarts programs under load, on slow and full disks.\n  --minutes N  how long the overload lasts (5)",
  options: { minutes: { type: "string" } },
  run: ({ seed, values, say }) =>
    runOverload({ seed, overloadMs: numberOf(values, "minutes", 5) * MINUTE_MS, disk: need("strace"), say }),
});
