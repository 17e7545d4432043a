/**
 * One V8 profile, whole: what each file of ours and each package took on its thread, with whatever Node and V8 did on its behalf. The bench
 * itself prints the same for its measured stages, with `--profile DIR`.
 *
 *     node bench/profile.ts DIR/anchor/CPU.….cpuprofile [--statements N] [--functions] [--top 25]
 *
 * @module
 */
import { readFileSync } from "node:fs";
import process from "node:process";
import { parseArgs } from "node:util";
import { summarise, type Profile } from "./profile-summary.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    statements: { type: "string" },
    functions: { type: "boolean", default: false },
    top: { type: "string", default: "25" },
  },
});
const [path = ""] = positionals;
const summary = summarise(JSON.parse(readFileSync(path, "utf8")) as Profile);
const { busyUs, idleUs, kinds, places, functions } = summary;
const statements = Number(values.statements ?? Number.NaN);
process.stdout.write(`${path}: ${(busyUs / 1e6).toFixed(2)} s busy, ${(idleUs / 1e6).toFixed(2)} s idle\n`);
for (const shares of [kinds, values.functions ? functions : places]) {
  for (const { where, us } of shares.slice(0, Number(values.top))) {
    const each = Number.isNaN(statements) ? "" : `${(us / statements).toFixed(2).padStart(8)} us`;
    process.stdout.write(`${((100 * us) / busyUs).toFixed(1).padStart(6)} % ${each}  ${where}\n`);
  }
  process.stdout.write("\n");
}
