/**
 * What a row of the table is: a figure as it was measured, the budget of it, and whether the one keeps to the other.
 *
 * @module
 */

export type Budget = { readonly atLeast: number } | { readonly atMost: number };

export type Figure = {
  readonly what: string;
  /** As measured, in `unit`; null where it could not be measured, and a note says why. */
  readonly value: number | null;
  readonly unit: string;
  readonly budget?: Budget;
  /** What one has to know to judge the figure: how long, how many, what else was seen. */
  readonly notes?: readonly string[];
  /** More of the same measurement, for machines: each name ends in its unit. */
  readonly also?: Readonly<Record<string, number>>;
};

/** Whether a figure keeps to its budget; null where there is none, or no figure. */
export function isMet({ value, budget }: Figure): boolean | null {
  if (value === null || budget === undefined) return null;
  return "atLeast" in budget ? value >= budget.atLeast : value <= budget.atMost;
}

/** A stretch of time in which the processes of the town did one thing. */
export type Stage = {
  readonly name: string;
  /** By the clock that profiles have too (CLOCK_MONOTONIC), microseconds. */
  readonly fromUs: number;
  readonly toUs: number;
  readonly statements: number;
  /** Processor time of whole threads by the kernel, seconds; profiles count waiting too. */
  readonly cpuS: Readonly<Record<string, number>>;
};

/** A row that can be asked for by its name. Most give several figures. */
export type Row = {
  readonly name: string;
  readonly what: string;
  run(context: Context): Promise<readonly Figure[]>;
};

/** What the rows of one run share. */
export type Context = {
  /** A folder of this run, on the disk that is measured; removed afterwards. */
  readonly folder: string;
  /** Short stages: figures of a first impression. */
  readonly quick: boolean;
  /** V8 profiles of the processes that are measured go there. */
  readonly profiles: string | undefined;
  /** Registers a measured stage: profiles are read for what lies within it. */
  stage(stage: Stage): void;
  /** Says on stderr what is going on. */
  say(text: string): void;
  /** Makes something that several rows need, once. */
  once<T>(name: string, make: () => Promise<T>): Promise<T>;
  /** Registers what has to be ended after the last row, newest first. */
  atEnd(end: () => Promise<void>): void;
};

/** Value at the part `p` (0 to 1) of sorted samples, nearest rank. */
export function percentile(sorted: Float64Array, p: number): number {
  const at = Math.min(sorted.length - 1, Math.max(0, Math.ceil(p * sorted.length) - 1));
  return sorted[at] ?? Number.NaN;
}

export const median = (samples: readonly number[]): number =>
  percentile(Float64Array.from(samples).toSorted(), 0.5);

/** How a size of something that grows is called: in the table, for machines, and where it is the largest. */
type SizeNames = { readonly name: string; readonly key: string; readonly last: string };

/** Makes figures of what was measured at several sizes: each is that at the largest, with what it was at the others. */
export const figuresOver =
  <At>(all: readonly At[], namesOf: (at: At) => SizeNames) =>
  (
    what: string,
    unit: string,
    of: (at: At) => number,
    places: number,
    ...notes: readonly string[]
  ): Figure => {
    const last = all.at(-1);
    return {
      what: last === undefined ? what : `${what}, ${namesOf(last).last}`,
      value: last === undefined ? null : of(last),
      unit,
      notes: [all.map((at) => `${namesOf(at).name}: ${of(at).toFixed(places)}`).join(", "), ...notes],
      also: Object.fromEntries(all.map((at) => [namesOf(at).key, of(at)])),
    };
  };
