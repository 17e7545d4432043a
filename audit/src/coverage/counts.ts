/**
 * What is counted of a stream, day by day, while it is walked; and the stretches that are made of it.
 *
 * @module
 */
import { CAUSES, type Cause, type Colour, type Stretch, type Tally } from "./body.ts";
import { showMicros, SECOND_US, type Days } from "./moments.ts";
import { isExplained, noneOf } from "./numbers.ts";
import type { Zone } from "../zone.ts";

type Count = {
  received: number;
  missing: Record<Cause, number>;
  late: number;
  repeats: number;
  conflicts: number;
  /** A stretch with numbers missing for this cause meets the day. */
  holes: Set<Cause>;
};

const nothing = (): Count => ({
  received: 0,
  missing: noneOf(),
  late: 0,
  repeats: 0,
  conflicts: 0,
  holes: new Set(),
});

export class DayCounts {
  readonly #days: Days;
  readonly #counts: readonly Count[];
  /** Set where some sample of the period is of a chain whose interval is known. */
  promised = false;

  constructor(days: Days) {
    this.#days = days;
    this.#counts = days.all.map(nothing);
  }

  received(us: number): void {
    this.#at(us).received++;
  }

  count(what: "late" | "repeats" | "conflicts", us: number): void {
    this.#at(us)[what]++;
  }

  /**
   * Puts `samples` that are missing between two moments into the days in which they were due: evenly.
   *
   * @returns how many of them were due in the period
   */
  missing(fromUs: number, toUs: number, samples: number, cause: Cause): number {
    const met = this.#days.meeting(fromUs, toUs);
    if (met === undefined) return 0;
    // The k-th of n is due at from + k * step.
    const step = (toUs - fromUs) / (samples + 1);
    const below = (us: number): number => Math.min(samples, Math.max(0, Math.ceil((us - fromUs) / step) - 1));
    let all = 0;
    for (let day = met[0]; day <= met[1]; day++) {
      const [begins, ends] = this.#days.edgesOf(day);
      const due = below(ends) - below(begins);
      const count = this.#counts[day];
      if (count !== undefined) count.missing[cause] += due;
      all += due;
    }
    return all;
  }

  /** Numbers are missing somewhere between two moments. */
  hole(fromUs: number, toUs: number, cause: Cause): void {
    const met = this.#days.meeting(fromUs, toUs);
    if (met === undefined) return;
    for (let day = met[0]; day <= met[1]; day++) this.#counts[day]?.holes.add(cause);
  }

  total(): Tally {
    return this.#tally(this.#counts);
  }

  days(zone: Zone): readonly Stretch[] {
    return this.#days.all.map(({ label, from, to }, i) => this.#stretch(zone, label, from, to, i, i + 1));
  }

  /** The months of the days. */
  months(zone: Zone): readonly Stretch[] {
    const { all } = this.#days;
    const months = Map.groupBy(all.keys(), (i) => all[i]?.label.slice(0, 7) ?? "");
    return [...months].map(([label, members]) => {
      const [first = 0, last = first] = [members[0], members.at(-1)];
      return this.#stretch(zone, label, all[first]?.from ?? 0, all[last]?.to ?? 0, first, last + 1);
    });
  }

  #stretch(zone: Zone, label: string, from: number, to: number, first: number, end: number): Stretch {
    const counts = this.#counts.slice(first, end);
    const tally = this.#tally(counts);
    return {
      label,
      from: showMicros(zone, from * SECOND_US),
      to: showMicros(zone, to * SECOND_US),
      colour: colourOf(tally, counts),
      ...tally,
    };
  }

  #tally(counts: readonly Count[]): Tally {
    const missing = noneOf();
    let [received, late, repeats, conflicts, all] = [0, 0, 0, 0, 0];
    for (const count of counts) {
      received += count.received;
      late += count.late;
      repeats += count.repeats;
      conflicts += count.conflicts;
      for (const cause of CAUSES) {
        missing[cause] += count.missing[cause];
        all += count.missing[cause];
      }
    }
    return { expected: this.promised ? received + all : null, received, missing, late, repeats, conflicts };
  }

  #at(us: number): Count {
    return this.#counts[this.#days.indexOf(us)] ?? nothing();
  }
}

function colourOf(tally: Tally, counts: readonly Count[]): Colour {
  const causes = CAUSES.filter(
    (cause) => tally.missing[cause] > 0 || counts.some(({ holes }) => holes.has(cause)),
  );
  if (causes.some((cause) => !isExplained(cause))) return "red";
  if (causes.length > 0) return "amber";
  return tally.received > 0 ? "green" : "none";
}
