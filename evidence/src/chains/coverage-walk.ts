/**
 * The walk of {@link coverage} along one stream: from sample to sample in the order of its chains, and what lies between them.
 *
 * @module
 */
import type { Chain, Link, Range } from "./chain.ts";
import type { Decimal } from "../decimal.ts";
import type { ClockStep, Gap } from "../events/event-kinds.ts";
import { momentOf, samplesOf, samplesWithin, type Moment, type Sample } from "./samples.ts";
import type { Statement } from "../statement/statement.ts";

/** A statement as coverage sees it. */
export type Covered = Link & Pick<Statement, "content">;

/** Numbers of one chain that are not held; `gaps` tell of all of them, or there is none. */
export type MissingNumbers = Range & { readonly ch: Uint8Array; readonly gaps: readonly Gap[] };

/** Why something is missing; where several reasons meet, the one that says least for the device. */
export type MissingKind = "hole" | "lost" | "told" | "silence";

/** What is missing between two samples. */
export type Missing = {
  readonly kind: MissingKind;
  /** The sample before it and the one after it, Unix seconds; null where there is none, or none with a time. */
  readonly after: Decimal | null;
  readonly before: Decimal | null;
  /** Samples that the interval would have brought meanwhile; null where it promises none, or an end is not known. */
  readonly samples: number | null;
  /** What the device says of it. */
  readonly gaps: readonly Gap[];
  readonly numbers: readonly MissingNumbers[];
  /** Why the chain before is lost, where it is. */
  readonly lost: string | null;
};

export type StreamSamples = {
  /** Samples that are here, each moment once; `untimed` carry no time, and the `late` ones of `timed` came after newer ones. */
  readonly samples: { readonly timed: number; readonly untimed: number; readonly late: number };
  /** First and last moment of those that came in order. */
  readonly span: { readonly from: Decimal; readonly to: Decimal } | null;
  /** In the order of the chain. */
  readonly missing: readonly Missing[];
  /** Samples here and missing, of each kind; null where no interval is promised. At least so many where one is broken off by an unknown end. */
  readonly expected: number | null;
};

type Step = { readonly before: Moment; readonly after: Moment };

export class Walk {
  readonly #steps: readonly Step[];
  readonly #missing: (Missing & { readonly from: Moment | null; readonly to: Moment | null })[] = [];
  readonly #seen = new Set<Moment>();
  readonly #late: Moment[] = [];
  #interval: Moment = 0n;
  #untimed = 0;
  #first: Sample | undefined;
  #newest: Sample | undefined;
  /** The newest sample; undefined before the first, and after one without a time. */
  #last: Sample | undefined;
  /** What was passed since that sample. */
  #passed: { gaps: Gap[]; numbers: MissingNumbers[]; lost: string | null } = nothing();

  /** @param steps - of the gateway's clock, in order */
  constructor(steps: readonly ClockStep[]) {
    this.#steps = steps.map(({ before, after }) => ({ before: momentOf(before), after: momentOf(after) }));
  }

  /** Goes along the next chain. */
  chain({ statements, opened }: Chain<Covered>, missing: readonly MissingNumbers[]): void {
    if (opened !== undefined) this.#interval = momentOf(opened.interval);
    if (opened !== undefined && opened.before !== "none" && "lost" in opened.before)
      this.#passed.lost = opened.before.lost;
    let next = 0;
    const pass = (below: number): void => {
      for (let hole = missing[next]; hole !== undefined && hole.from < below; hole = missing[++next])
        this.#passed.numbers.push(hole);
    };
    for (const statement of statements) {
      pass(statement.claims.seq);
      const { event } = statement;
      if (event?.kind === "gap" && event.seq === undefined) this.#passed.gaps.push(event);
      const { samples, untimed } = samplesOf(statement);
      for (const sample of samples) this.#sample(sample);
      if (untimed > 0) this.#close(undefined);
      this.#untimed += untimed;
    }
    pass(Infinity);
  }

  result(): StreamSamples {
    if (isSomething(this.#passed)) this.#close(undefined);
    this.#late.sort((a, b) => (a < b ? -1 : 1));
    const missing = this.#missing.flatMap(({ from, to, ...one }) => {
      const samples = one.samples === null ? null : Math.max(0, one.samples - this.#lateWithin(from, to));
      return samples === 0 && one.kind === "silence" ? [] : [{ ...one, samples }];
    });
    const here = this.#seen.size + this.#untimed;
    const [first, newest] = [this.#first, this.#newest];
    return {
      samples: { timed: this.#seen.size, untimed: this.#untimed, late: this.#late.length },
      span: first === undefined || newest === undefined ? null : { from: first.at, to: newest.at },
      missing,
      expected: this.#interval > 0n ? missing.reduce((sum, { samples }) => sum + (samples ?? 0), here) : null,
    };
  }

  #sample(sample: Sample): void {
    const last = this.#last;
    if (last !== undefined && sample.moment <= last.moment && this.#putBack(last, sample) === undefined) {
      if (!this.#seen.has(sample.moment)) this.#late.push(sample.moment);
    } else {
      this.#close(sample);
      this.#first ??= sample;
      this.#newest = sample;
    }
    this.#seen.add(sample.moment);
  }

  /** Ends what lies between the newest sample and this one; undefined where the next has no time, or there is none. */
  #close(sample: Sample | undefined): void {
    const last = this.#last;
    const samples =
      last === undefined || sample === undefined || this.#interval <= 0n
        ? null
        : samplesWithin(this.#elapsed(last, sample), this.#interval);
    const { gaps, numbers, lost } = this.#passed;
    if (isSomething(this.#passed) || (samples !== null && samples > 0)) {
      this.#missing.push({
        kind: kindOf(this.#passed),
        after: last?.at ?? null,
        before: sample?.at ?? null,
        samples,
        gaps: [...new Set([...numbers.flatMap((hole) => hole.gaps), ...gaps])],
        numbers,
        lost,
        from: last?.moment ?? null,
        to: sample?.moment ?? null,
      });
    }
    this.#last = sample;
    this.#passed = nothing();
  }

  /** Time that passed between two samples: not the hours that the gateway's clock leapt when it was set. */
  #elapsed(last: Sample, sample: Sample): Moment {
    const back = this.#putBack(last, sample);
    if (back !== undefined) return back.before - last.moment + (sample.moment - back.after);
    const elapsed = sample.moment - last.moment;
    if (!ofGateway(last, sample) || samplesWithin(elapsed, this.#interval) === 0) return elapsed;
    const leapt = this.#steps
      .filter(({ before, after }) => last.moment <= before && before < after && after <= sample.moment)
      .reduce((sum, { before, after }) => sum + (after - before), 0n);
    return leapt <= elapsed ? elapsed - leapt : elapsed;
  }

  /** The step that put the gateway's clock back between these two, where the second seems to be no later than the first. */
  #putBack(last: Sample, sample: Sample): Step | undefined {
    if (!ofGateway(last, sample) || sample.moment > last.moment) return undefined;
    return this.#steps.find(({ before, after }) => last.moment <= before && after <= sample.moment);
  }

  #lateWithin(from: Moment | null, to: Moment | null): number {
    if (from === null || to === null) return 0;
    return this.#lateBelow(to) - this.#lateBelow(from + 1n);
  }

  /** How many of the late ones, which are sorted by now, are before `end`. */
  #lateBelow(end: Moment): number {
    let [low, high] = [0, this.#late.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#late[middle] ?? end) < end) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

const nothing = (): { gaps: Gap[]; numbers: MissingNumbers[]; lost: string | null } => ({
  gaps: [],
  numbers: [],
  lost: null,
});

type Passed = Pick<Missing, "gaps" | "numbers" | "lost">;

const isSomething = ({ gaps, numbers, lost }: Passed): boolean =>
  gaps.length + numbers.length > 0 || lost !== null;

function kindOf({ gaps, numbers, lost }: Passed): MissingKind {
  if (numbers.some((hole) => hole.gaps.length === 0)) return "hole";
  if (lost !== null) return "lost";
  return gaps.length + numbers.length > 0 ? "told" : "silence";
}

const ofGateway = (a: Sample, b: Sample): boolean => a.clock === "gateway" && b.clock === "gateway";
