/**
 * What the cases of a run came to: outcomes by target, the slowest cases, what threads kept, failures.
 *
 * @module
 */
import { isEvidenceCode } from "@tallystick/evidence";
import type { Failure, FromWorker, TargetInfo } from "./worker.ts";

export type TargetTally = {
  readonly name: string;
  readonly expected: readonly string[];
  readonly outcomes: Map<string, number>;
  readonly failures: Failure[];
  cases: number;
  slowest: { readonly number: number; readonly ms: number };
  /** By thread, what it kept after each stretch, in order. */
  readonly keptBytes: Map<number, number[]>;
  /** By how much that may grow, if not by the usual. */
  readonly mostGrowthBytes?: number;
};

type Done = Extract<FromWorker, { kind: "done" }>;

export class Tally {
  readonly #targets = new Map<string, TargetTally>();

  expect(targets: readonly TargetInfo[], only: string | undefined): void {
    for (const { name, expected } of targets)
      if (only === undefined || name === only) this.#of(name, expected);
  }

  /** @param thread - a number of its own: what one thread keeps says nothing of another's */
  add(name: string, thread: number, { outcomes, failures, slowest, stretch, keptBytes }: Done): void {
    const target = this.#of(name);
    for (const [outcome, count] of outcomes)
      target.outcomes.set(outcome, (target.outcomes.get(outcome) ?? 0) + count);
    target.failures.push(...failures);
    target.cases += stretch.to - stretch.from;
    if (slowest.ms > target.slowest.ms) target.slowest = slowest;
    const kept = target.keptBytes.get(thread);
    if (kept === undefined) target.keptBytes.set(thread, [keptBytes]);
    else kept.push(keptBytes);
  }

  fail(failure: Failure): void {
    this.#of(failure.target).failures.push(failure);
  }

  get targets(): readonly TargetTally[] {
    return [...this.#targets.values()];
  }

  #of(name: string, expected: readonly string[] = []): TargetTally {
    const known = this.#targets.get(name);
    if (known !== undefined) return known;
    const made: TargetTally = {
      name,
      expected,
      outcomes: new Map(),
      failures: [],
      cases: 0,
      slowest: { number: 0, ms: 0 },
      keptBytes: new Map(),
    };
    this.#targets.set(name, made);
    return made;
  }
}

/** Of one outcome, in a target that cases get deep into. */
const MOST_OF_ONE = 0.999;
/** By how much what a thread keeps may grow over a run: a leak of some tens of bytes a case shows in 200,000 of them. */
const MOST_GROWTH_BYTES = 16 << 20;
/** Below so many cases rare outcomes may be missing by chance. */
export const DEEP_CASES = 1500;

/** What is wrong with a target's run, in words; nothing where all is well. */
export function faultsOf(target: TargetTally): readonly string[] {
  const {
    name,
    outcomes,
    expected,
    failures,
    cases,
    keptBytes,
    mostGrowthBytes = MOST_GROWTH_BYTES,
  } = target;
  const faults = failures.map(({ number, message }) => `${name}, case ${number}: ${message}`);
  if (cases < DEEP_CASES) return faults;
  const missing = expected.filter((outcome) => !outcomes.has(outcome));
  if (missing.length > 0) faults.push(`${name}: never came to: ${missing.join(", ")}`);
  const [[most, count] = ["", 0]] = byCount(outcomes);
  if (count / cases > MOST_OF_ONE) faults.push(`${name}: ${most} takes ${count} of ${cases} cases`);
  const grown = [...keptBytes.values()].reduce((sum, kept) => sum + growth(kept), 0);
  if (grown > mostGrowthBytes) faults.push(`${name}: what is kept grew by ${(grown / 1e6).toFixed(1)} MB`);
  return faults;
}

/** How much more one thread keeps after the last stretches than after the first ones; caches have filled by then. */
function growth(keptBytes: readonly number[]): number {
  const third = Math.floor(keptBytes.length / 3);
  if (third === 0) return 0;
  return Math.min(...keptBytes.slice(-third)) - Math.max(...keptBytes.slice(0, third));
}

export const byCount = (outcomes: ReadonlyMap<string, number>): readonly (readonly [string, number])[] =>
  [...outcomes].sort(([, a], [, b]) => b - a);

/** How many of the codes of the table came. */
export const codesSeen = (targets: readonly TargetTally[]): number =>
  new Set(
    targets.flatMap(({ outcomes }) =>
      [...outcomes.keys()].flatMap((one) => one.split(/[:,]? /).filter(isEvidenceCode)),
    ),
  ).size;
