/**
 * `npm run attackers`: the suite, for longer than CI has time for.
 *
 * @module
 */
import { faultRun, numberOf } from "../support/fault-run.ts";
import { runAttackers } from "./run.ts";

/** A fault repeats itself. */
const MAX_TOLD = 12;

await faultRun({
  name: "attackers",
  about:
    "[--times N] [--seconds N] [--seed S] [--json]\n\nAttacks a broker and an anchor over TLS while honest devices go on.\n  --times N    as many attempts as usual, N times (1)\n  --seconds N  how long what goes on goes on (10)",
  options: { times: { type: "string" }, seconds: { type: "string" } },
  async run({ seed, values, say }) {
    const options = { seed, times: numberOf(values, "times", 1), seconds: numberOf(values, "seconds", 10) };
    const { attacks, faults, memory } = await runAttackers({ ...options, say, withinMs: 3_600_000 });
    if (faults.length > 0) throw new Error(faults.slice(0, MAX_TOLD).join("\n"));
    return Object.fromEntries([
      ...attacks.map(({ name, tried, share }) => [
        name,
        `${tried} tried, ${Math.round(share * 100)} % of the rate`,
      ]),
      ...Object.entries(memory).map(([name, { before, after, peak }]) => [
        `${name}, MiB`,
        `${before} before, ${after} after, ${peak} at most`,
      ]),
    ]);
  },
});
