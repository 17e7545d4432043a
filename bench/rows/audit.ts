/**
 * Re-deriving a whole log from its public directory, by bench/audit-log.ts in a process of its own.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import type { Figure, Row } from "../figures.ts";

const SCRIPT = join(import.meta.dirname, "..", "audit-log.ts");
const SIZES = { full: [1_000_000, 4_000_000], quick: [500_000] };

export const audit: Row = {
  name: "audit",
  what: "a whole log re-derived from its public directory",
  async run(context): Promise<readonly Figure[]> {
    const { quick, folder } = context;
    const figures: Figure[] = [];
    for (const size of quick ? SIZES.quick : SIZES.full) {
      context.say(`making and auditing a log of ${size} entries`);
      const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, String(size)], {
        env: { ...process.env, TMPDIR: folder },
      });
      const rate = /([\d,]+) entries\/s/.exec(stdout)?.[1]?.replaceAll(",", "");
      const peak = /peak memory (\d+) MiB/.exec(stdout)?.[1];
      figures.push({
        what: `whole-log audit of ${size.toLocaleString("en-US")} entries`,
        value: rate === undefined ? null : Number(rate),
        unit: "entries/s",
        budget: { atLeast: 300_000 },
        notes: [`one thread, from files just written (page cache); peak RSS ${peak ?? "?"} MiB`],
      });
    }
    return figures;
  },
};
