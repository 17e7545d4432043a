/**
 * `npm run syscalls`: every system call of anchor and agent failed, with every fault.
 *
 * @module
 */
import { faultRun, numberOf, type RunContext, type Seen } from "../support/fault-run.ts";
import { need } from "../support/require.ts";
import { runSyscalls } from "./run.ts";
import type { Target } from "./story.ts";

const MINUTE_MS = 60_000;
const NO_END_MINUTES = 24 * 60;

await faultRun({
  name: "syscalls",
  about:
    "[--target anchor|agent] [--sample] [--minutes N] [--seed S] [--json]\n\nFails each write, sync, rename and truncate of anchor and agent once, or kills the process in it.\n  --target T   only one of the two; both go side by side\n  --sample     each call with one fault, not with all three\n  --minutes N  begins nothing after so long",
  options: { target: { type: "string" }, sample: { type: "boolean" }, minutes: { type: "string" } },
  async run(context): Promise<Seen> {
    if (!need("strace")) throw new Error("there is no strace here");
    const targets = targetsOf(context.values);
    const done = await Promise.allSettled(targets.map((target) => runOne(target, context)));
    const failed = done.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
    if (failed.length > 0) throw failed[0];
    return Object.assign(
      {},
      ...done.flatMap((one) => (one.status === "fulfilled" ? [one.value] : [])),
    ) as Seen;
  },
});

async function runOne(target: Target, { seed, values, say }: RunContext): Promise<Seen> {
  const withinMs = numberOf(values, "minutes", NO_END_MINUTES) * MINUTE_MS;
  const seen = await runSyscalls({ seed, target, every: values["sample"] !== true, withinMs, say });
  return Object.fromEntries(Object.entries(seen).map(([what, value]) => [`${target}: ${what}`, value]));
}

function targetsOf({ target }: RunContext["values"]): readonly Target[] {
  if (target === undefined) return ["anchor", "agent"];
  if (target === "anchor" || target === "agent") return [target];
  throw new Error("--target: anchor or agent");
}
