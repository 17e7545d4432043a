/**
 * An export of a million lines beside the facts of a case, by bench/reconcile.ts in a process of its own.
 *
 * @module
 */
import { execFile } from "node:child_process";
import { join } from "node:path";
import process from "node:process";
import { promisify } from "node:util";
import type { Figure, Row } from "../figures.ts";

const SCRIPT = join(import.meta.dirname, "..", "reconcile.ts");
const LINES = { full: 1_000_000, quick: 100_000 };
const SHAPES = [
  ["keys", "toll lines matched by key"],
  ["windows", "toll lines matched by time window"],
  ["intervals", "consumption lines, one a quarter of an hour"],
] as const;

type Measured = {
  readonly seconds: number;
  readonly cpuSeconds: number;
  readonly peakMiB: number;
  readonly lines: number;
  readonly exportMiB: number;
  readonly counts: string;
};

export const reconcileRow: Row = {
  name: "reconcile",
  what: "a billing export of a million lines beside the facts of a case",
  async run(context): Promise<readonly Figure[]> {
    const { quick, folder } = context;
    const figures: Figure[] = [];
    for (const [shape, what] of SHAPES) {
      const lines = quick ? LINES.quick : LINES.full;
      context.say(`making and reconciling ${lines} ${what}`);
      const { stdout } = await promisify(execFile)(process.execPath, [SCRIPT, shape, String(lines)], {
        env: { ...process.env, TMPDIR: folder },
      });
      const found = JSON.parse(stdout) as Measured;
      const count = found.lines.toLocaleString("en-US");
      figures.push(
        {
          what: `reconcile ${count} ${what}`,
          value: found.seconds,
          unit: "s",
          // The budget is for a million: a tenth of the lines has a tenth of the time.
          budget: { atMost: quick ? 6 : 60 },
          notes: [
            `export of ${found.exportMiB.toFixed(0)} MiB; CPU ${found.cpuSeconds.toFixed(1)} s; ${found.counts}`,
          ],
        },
        { what: `memory of the same: ${shape}`, value: found.peakMiB, unit: "MiB", budget: { atMost: 300 } },
      );
    }
    return figures;
  },
};
