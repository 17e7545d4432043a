/**
 * Microseconds and the days of a period: reading times as the facts have them, and the stretches in which they are counted.
 *
 * @module
 */
import { periodsBetween, showInstant, type CalendarPeriod } from "../calendar.ts";
import type { Zone } from "../zone.ts";

export const SECOND_US = 1_000_000;

/** An instant in the zone, with the fraction that it has; beyond the years a zone knows, in UTC. */
export function showMicros(zone: Zone, us: number): string {
  const seconds = Math.floor(us / SECOND_US);
  const fraction = us - seconds * SECOND_US;
  const shown =
    seconds >= FIRST_S && seconds < END_S
      ? showInstant(zone, seconds)
      : `${new Date(seconds * 1000).toISOString().slice(0, -5)}Z`;
  if (fraction === 0) return shown;
  const digits = String(fraction).padStart(6, "0").replace(/0+$/, "");
  return shown.replace(/(?=(?:Z|[+-]\d\d:\d\d(?::\d\d)?)$)/, `.${digits}`);
}

const FIRST_S = Date.UTC(1900, 0, 2) / 1000;
const END_S = Date.UTC(2199, 11, 31) / 1000;

/** The days of a period, and which of them an instant is in. */
export class Days {
  readonly all: readonly CalendarPeriod[];
  readonly fromUs: number;
  readonly toUs: number;
  /** Where each day begins, in microseconds, and where the last ends. */
  readonly #edges: readonly number[];
  #recent = 0;

  /** @param from - Unix seconds; `to` is exclusive */
  constructor(zone: Zone, from: number, to: number) {
    this.all = [...periodsBetween(zone, { unit: "day" }, from, to)];
    this.fromUs = from * SECOND_US;
    this.toUs = to * SECOND_US;
    this.#edges = [...this.all.map((day) => day.from * SECOND_US), this.toUs];
  }

  has(us: number): boolean {
    return this.fromUs <= us && us < this.toUs;
  }

  /** Number of the day that an instant of the period is in. */
  indexOf(us: number): number {
    const recent = this.#recent;
    if ((this.#edges[recent] ?? 0) <= us && us < (this.#edges[recent + 1] ?? 0)) return recent;
    let [low, high] = [0, this.all.length];
    while (low + 1 < high) {
      const middle = (low + high) >> 1;
      if ((this.#edges[middle] ?? 0) <= us) low = middle;
      else high = middle;
    }
    return (this.#recent = low);
  }

  /** Begin and end of a day, in microseconds. */
  edgesOf(index: number): readonly [number, number] {
    return [this.#edges[index] ?? this.toUs, this.#edges[index + 1] ?? this.toUs];
  }

  /** Numbers of the first and the last day that `fromUs` to `toUs` meets; undefined where it meets none. */
  meeting(fromUs: number, toUs: number): readonly [number, number] | undefined {
    const [from, to] = [Math.max(fromUs, this.fromUs), Math.min(toUs, this.toUs - 1)];
    return from > to ? undefined : [this.indexOf(from), this.indexOf(to)];
  }
}
