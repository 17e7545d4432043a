/**
 * What is true of statements that follow one another, told once for all of them: late, ahead, by a clock that was not synchronised, by a suspect key, a fork.
 *
 * @module
 */
import { Run, type FindingList } from "./findings.ts";
import { SECOND_US } from "./moments.ts";
import type { StreamName } from "./view.ts";

export type Runs = Readonly<Record<"late" | "ahead" | "unsynchronised" | "suspect" | "fork", Run>>;

/** @param ch - the chain that is walked, hexadecimal */
export function runsOf(name: StreamName, ch: string, findings: FindingList): Runs {
  const most = (us: number): string => `${Math.round(us / SECOND_US)} s`;
  return {
    late: new Run((run, by) =>
      findings.add("late", name, `committed up to ${most(by)} after they were read`, {
        ch,
        ...run,
      }),
    ),
    ahead: new Run((run, by) =>
      findings.add("ahead", name, `up to ${most(by)} after their own commit`, { ch, ...run }),
    ),
    fork: new Run((run) =>
      findings.add(
        "fork",
        name,
        "statements that contradict one another, or what the device says of them: none of them proves anything",
        { ch, ...run },
      ),
    ),
    unsynchronised: new Run((run) =>
      findings.add(
        "clock-unsynchronised",
        name,
        "statements sealed while the device's clock was not synchronised",
        { ch, ...run },
      ),
    ),
    suspect: new Run((run) =>
      findings.add(
        "declared-suspect-later",
        name,
        "statements by a key that was declared suspect later from before them, or that such an operator brought",
        { ch, ...run },
      ),
    ),
  };
}

/** Readings of one statement of which something is true. */
export class Some {
  #fromUs = Infinity;
  #toUs = -Infinity;
  #count = 0;
  #most = 0;

  add(us: number, size: number): void {
    this.#fromUs = Math.min(this.#fromUs, us);
    this.#toUs = Math.max(this.#toUs, us);
    this.#most = Math.max(this.#most, size);
    this.#count++;
  }

  into(run: Run, seq: number): void {
    if (this.#count > 0) run.add(seq, this.#fromUs, this.#toUs, this.#count, this.#most);
    else run.end();
  }
}
