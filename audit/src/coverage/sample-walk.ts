/**
 * The walk along the samples of one stream in the order of time: where one was due and none is here, and why.
 *
 * A sample is due each interval, to the nearest; so a missing one is counted between two that are here, or between one and an end of the period.
 *
 * @module
 */
import type { Cause } from "./body.ts";
import type { DayCounts } from "./counts.ts";
import type { FindingList } from "./findings.ts";
import type { Days } from "./moments.ts";
import { rankOf } from "./numbers.ts";
import type { Moment, Samples } from "./samples.ts";
import type { Passed } from "./scan.ts";
import type { StreamName } from "./view.ts";

/** The gateway's clock was set from one moment to another. */
export type Step = { readonly beforeUs: number; readonly afterUs: number };

export type SampleWalk = {
  readonly name: StreamName;
  readonly days: Days;
  readonly samples: Samples;
  readonly counts: DayCounts;
  readonly findings: FindingList;
  /** Microseconds that a chain promises between samples; 0 where they come as they come, undefined where no opening is here. */
  readonly intervalOf: (chain: number) => number | undefined;
  readonly passed: readonly Passed[];
  readonly steps: readonly Step[];
  /** The newest sample before the period and the oldest after it; infinite where none is here. */
  readonly beforeUs: number;
  readonly afterUs: number;
  /** When the stream was opened and closed, where it was in the period. */
  readonly openedUs: number | undefined;
  readonly closedUs: number | undefined;
  /** The period is not shown to be whole at that end. */
  readonly open: { readonly begin: boolean; readonly end: boolean };
  /** Chains of the first and the last statement of the period: whose interval counts where no sample is here. */
  readonly chain: number;
};

export function walkSamples(walk: SampleWalk): void {
  const { samples, intervalOf, counts } = walk;
  const causes = new Causes(walk.passed);
  let last: (Moment & { readonly chain: number }) | undefined;
  for (const sample of samples.inOrder()) {
    counts.received(sample.us);
    const interval = intervalOf(sample.chain);
    if (interval !== undefined && interval > 0) {
      counts.promised = true;
      if (last === undefined) begin(walk, causes, sample.us, interval);
      else between(walk, causes, last.us, sample.us, elapsed(walk, last, sample), interval);
    }
    last = sample;
  }
  const interval = intervalOf(last?.chain ?? walk.chain);
  if (interval === undefined || interval <= 0) return;
  counts.promised = true;
  if (last !== undefined) end(walk, causes, last.us, interval);
  else nothing(walk, causes, interval);
}

/** From the beginning of the period, or of the stream, to its first sample. */
function begin(walk: SampleWalk, causes: Causes, firstUs: number, interval: number): void {
  const { beforeUs, openedUs, days, open } = walk;
  if (beforeUs > -Infinity) between(walk, causes, beforeUs, firstUs, firstUs - beforeUs, interval);
  else if (openedUs !== undefined) between(walk, causes, openedUs, firstUs, firstUs - openedUs, interval);
  else {
    // Where it would have been due follows from the first one.
    const due = Math.floor((firstUs - days.fromUs) / interval);
    if (due > 0)
      missing(
        walk,
        firstUs - (due + 1) * interval,
        firstUs,
        due,
        edgeCause(causes, null, firstUs, open.begin),
      );
  }
}

/** From the last sample to the end of the period, or of the stream. */
function end(walk: SampleWalk, causes: Causes, lastUs: number, interval: number): void {
  const { afterUs, closedUs, days, open } = walk;
  if (afterUs < Infinity) between(walk, causes, lastUs, afterUs, afterUs - lastUs, interval);
  else if (closedUs !== undefined) {
    if (closedUs > lastUs) between(walk, causes, lastUs, closedUs, closedUs - lastUs, interval);
  } else {
    // What is due a moment before the end may well have come a moment after it.
    const due = Math.ceil((days.toUs - lastUs) / interval - 0.1) - 1;
    if (due > 0)
      missing(walk, lastUs, lastUs + (due + 1) * interval, due, edgeCause(causes, lastUs, null, open.end));
  }
}

/** No sample of the period is here. */
function nothing(walk: SampleWalk, causes: Causes, interval: number): void {
  const { beforeUs, afterUs, openedUs, closedUs, days, open } = walk;
  const from = beforeUs > -Infinity ? beforeUs : (openedUs ?? days.fromUs);
  const to = afterUs < Infinity ? afterUs : (closedUs ?? days.toUs);
  if (to <= from) return;
  const due = missingWithin(to - from, interval);
  const cause = open.begin || open.end ? "unexplained" : undefined;
  if (due > 0) missing(walk, from, to, due, causes.between(from, to) ?? cause ?? "silent");
}

function between(
  walk: SampleWalk,
  causes: Causes,
  fromUs: number,
  toUs: number,
  elapsedUs: number,
  interval: number,
): void {
  const due = missingWithin(elapsedUs, interval);
  if (due > 0) missing(walk, fromUs, toUs, due, causes.between(fromUs, toUs) ?? "silent");
}

function missing(
  { counts, findings, name }: SampleWalk,
  fromUs: number,
  toUs: number,
  due: number,
  cause: Cause,
): void {
  const count = counts.missing(fromUs, toUs, due, cause);
  if (cause !== "silent" || count === 0) return;
  const says = "the chain lacks nothing here, and the source brought no sample";
  findings.add("no-sample", name, says, { fromUs, toUs, count });
}

const edgeCause = (causes: Causes, fromUs: number | null, toUs: number | null, open: boolean): Cause =>
  causes.between(fromUs ?? -Infinity, toUs ?? Infinity) ?? (open ? "unexplained" : "silent");

/** How many samples are missing between two that are `elapsedUs` apart, to the nearest: 0 where the second is the one that was due next. */
const missingWithin = (elapsedUs: number, interval: number): number =>
  Math.min(Number.MAX_SAFE_INTEGER, Math.max(0, Math.floor((2 * elapsedUs + interval) / (2 * interval)) - 1));

/** Time that passed between two samples: not the hours that the gateway's clock leapt when it was set. */
function elapsed({ steps }: SampleWalk, last: Moment, sample: Moment): number {
  const all = sample.us - last.us;
  if (last.device || sample.device) return all;
  const leapt = steps
    .filter(({ beforeUs, afterUs }) => last.us <= beforeUs && beforeUs < afterUs && afterUs <= sample.us)
    .reduce((sum, { beforeUs, afterUs }) => sum + (afterUs - beforeUs), 0);
  return leapt <= all ? all - leapt : all;
}

/** Causes looked at for one stretch; more can only be somebody's play, and that is unexplained. */
const MAX_LOOKED = 1000;

/** What was passed, by time. */
class Causes {
  readonly #passed: readonly { readonly from: number; readonly to: number; readonly cause: Cause }[];
  /** The latest end up to each of them: behind it nothing reaches further. */
  readonly #reach: readonly number[];

  constructor(passed: readonly Passed[]) {
    this.#passed = passed
      .map(({ fromUs, toUs, cause }) => ({ from: fromUs ?? -Infinity, to: toUs ?? Infinity, cause }))
      .sort((a, b) => a.from - b.from || a.to - b.to);
    let reach = -Infinity;
    this.#reach = this.#passed.map(({ to }) => (reach = Math.max(reach, to)));
  }

  /** Of those that meet the stretch the one that says least; undefined where none does. */
  between(fromUs: number, toUs: number): Cause | undefined {
    let found: Cause | undefined;
    let looked = 0;
    for (let i = this.#below(toUs) - 1; i >= 0 && (this.#reach[i] ?? -Infinity) > fromUs; i--) {
      const one = this.#passed[i];
      if (one === undefined || one.to <= fromUs) continue;
      if (found === undefined || rankOf(one.cause) < rankOf(found)) found = one.cause;
      if (found === "unexplained") return found;
      if (++looked > MAX_LOOKED) return "unexplained";
    }
    return found;
  }

  /** How many begin before `us`. */
  #below(us: number): number {
    let [low, high] = [0, this.#passed.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#passed[middle]?.from ?? Infinity) < us) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
