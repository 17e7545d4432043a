/**
 * Verifying a case of many statements and writing its facts, by bench/case/verify.ts in a process of its own; beside what the same signatures alone would cost.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import { makeCase } from "../case/make.ts";
import type { Context, Figure, Row } from "../figures.ts";
import { rawRate } from "./raw.ts";

const SCRIPT = join(import.meta.dirname, "..", "case", "verify.ts");
const STATEMENTS = { full: 1_000_000, quick: 100_000 };
const PROVIDERS = ["sodium", "node"] as const;

type Run = {
  readonly statements: number;
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
};

async function verified(context: Context, policy: string, provider: string): Promise<Run> {
  context.say(`verifying the case with ${provider}`);
  const args = [join(context.folder, "case"), policy, join(context.folder, `facts-${provider}`)];
  const { stdout } = await promisify(execFile)(process.execPath, [
    SCRIPT,
    ...args,
    String(cpus().length - 1),
    provider,
  ]);
  return JSON.parse(stdout) as Run;
}

export const caseRow: Row = {
  name: "case",
  what: "a case of a million statements verified",
  async run(context): Promise<readonly Figure[]> {
    const count = context.quick ? STATEMENTS.quick : STATEMENTS.full;
    context.say(`making a case of ${count.toLocaleString("en-US")} statements`);
    const policy = join(context.folder, "case-policy.txt");
    writeFileSync(policy, await makeCase(join(context.folder, "case"), context.folder, count));
    const figures: Figure[] = [];
    for (const provider of PROVIDERS) {
      const { statements, seconds, cpuSeconds, peakMiB } = await verified(context, policy, provider);
      const raw = await rawRate(context, provider);
      const rate = statements / seconds;
      const shown = (value: number): string => Math.round(value).toLocaleString("en-US");
      figures.push({
        what: `a case of ${shown(statements)} statements verified with ${provider}, as a share of what it verifies alone`,
        value: (100 * rate) / raw,
        unit: "%",
        budget: { atLeast: 60 },
        notes: [
          `${shown(rate)} statements/s in ${seconds.toFixed(1)} s, threads on ${cpus().length} cores; alone ${shown(raw)}/s in the same run`,
          `facts included; ${cpuSeconds.toFixed(1)} s of processor; peak RSS ${peakMiB} MiB`,
        ],
        also: { statementsPerS: rate, peakMiB, cpuS: cpuSeconds },
      });
    }
    return figures;
  },
};
