/**
 * Memory of broker and anchor, sampled while something goes on.
 *
 * @module
 */
import { memory } from "../../bench/procfs.ts";
import type { Town } from "../support/town.ts";

const PROGRAMS = ["broker", "anchor"] as const;
const SAMPLE_MS = 250;
const MIB = 2 ** 20;

/** Resident memory that each may have at any moment: of the anchor its budget (docs/performance.md); of the broker its queues' bounds, and Node. */
export const MAX_MIB = { broker: 320, anchor: 400 } as const;

export class MemoryWatch {
  /** Peaks, MiB. */
  readonly peaks = { broker: 0, anchor: 0 };
  readonly #timer: NodeJS.Timeout;

  constructor(town: Town) {
    this.#timer = setInterval(() => {
      for (const name of PROGRAMS) {
        if (!town.isRunning(name)) continue;
        try {
          const { rss } = memory(town.pidOf(name));
          if (rss > 0) this.peaks[name] = Math.max(this.peaks[name], rss / MIB); // of one that has ended there is no figure
        } catch {
          // it has just been killed
        }
      }
    }, SAMPLE_MS);
  }

  end(): void {
    clearInterval(this.#timer);
  }
}
