/**
 * Findings on their way out: counted by class, listed up to a bound, and handed on whole to whoever writes them down.
 *
 * @module
 */
import { MAX_LISTED, type ClassCount, type Finding, type Seqs } from "./body.ts";
import { FINDING_CLASSES, weightOf, type FindingClass } from "./classes.ts";
import { showMicros } from "./moments.ts";
import type { StreamName } from "./view.ts";
import type { Zone } from "../zone.ts";

/** Takes every finding, in the order in which they are found: that of streams and, mostly, of time. */
export type FindingWriter = (finding: Finding) => void;

/** A finding as the walks see it: times in microseconds, and what is left out is not known. */
export type Found = {
  readonly ch?: string;
  readonly seqs?: Seqs;
  readonly fromUs?: number | null;
  readonly toUs?: number | null;
  readonly count?: number;
  readonly name?: string;
};

export class FindingList {
  readonly #zone: Zone;
  readonly #write: FindingWriter;
  readonly #counts = new Map<FindingClass, number>();
  readonly #listed: Finding[] = [];
  readonly #perStream = new Map<string, number>();

  constructor(zone: Zone, write: FindingWriter) {
    this.#zone = zone;
    this.#write = write;
  }

  add(name: FindingClass, { iss, sub }: StreamName, says: string, found: Found = {}): void {
    const { ch = null, seqs = null, fromUs = null, toUs = null, count = 1 } = found;
    const shown = (us: number | null): string | null => (us === null ? null : showMicros(this.#zone, us));
    const finding: Finding = {
      class: name,
      iss,
      sub,
      ch,
      seqs: seqs === null ? null : { from: seqs.from, to: seqs.to },
      from: shown(fromUs),
      to: shown(toUs),
      count,
      name: found.name ?? null,
      says,
    };
    this.#write(finding);
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
    const key = `${iss}/${sub} ${name}`;
    const listed = this.#perStream.get(key) ?? 0;
    this.#perStream.set(key, listed + 1);
    if (listed < MAX_LISTED && this.#listed.length < MAX_LISTED_IN_ALL) this.#listed.push(finding);
  }

  /** By stream, then class in the order of the table, then as they were found. */
  get listed(): readonly Finding[] {
    const order = new Map(FINDING_CLASSES.map((name, i) => [name, i]));
    const rank = ({ class: name }: Finding): number => order.get(name) ?? 0;
    return this.#listed
      .map((finding, i) => ({ finding, i }))
      .sort(
        (a, b) =>
          compare(a.finding.iss, b.finding.iss) ||
          compare(a.finding.sub, b.finding.sub) ||
          rank(a.finding) - rank(b.finding) ||
          a.i - b.i,
      )
      .map(({ finding }) => finding);
  }

  get counts(): readonly ClassCount[] {
    return FINDING_CLASSES.flatMap((name) => {
      const count = this.#counts.get(name) ?? 0;
      return count === 0 ? [] : [{ class: name, weight: weightOf(name), count }];
    });
  }

  /** How many of weight `fault`. */
  get faults(): number {
    return this.counts.reduce((sum, { weight, count }) => sum + (weight === "fault" ? count : 0), 0);
  }
}

/** Whatever the evidence holds: a result that people open has an end. */
const MAX_LISTED_IN_ALL = 5000;

/** By UTF-16 units, on every machine alike. */
const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

/** One finding of what goes on over statements that follow one another. */
export class Run {
  readonly #end: (run: Required<Pick<Found, "seqs" | "count" | "fromUs" | "toUs">>, most: number) => void;
  #open: { from: number; to: number; fromUs: number; toUs: number; count: number; most: number } | undefined;

  /** @param end - takes each run when it is over; `most` is the greatest `size` of its members */
  constructor(end: (run: Required<Pick<Found, "seqs" | "count" | "fromUs" | "toUs">>, most: number) => void) {
    this.#end = end;
  }

  /** One more statement that it is true of. */
  add(seq: number, fromUs: number, toUs: number, count = 1, size = 0): void {
    const open = this.#open;
    if (open === undefined) {
      this.#open = { from: seq, to: seq, fromUs, toUs, count, most: size };
      return;
    }
    open.to = seq;
    open.fromUs = Math.min(open.fromUs, fromUs);
    open.toUs = Math.max(open.toUs, toUs);
    open.count += count;
    open.most = Math.max(open.most, size);
  }

  /** A statement that it isn't true of, or the end. */
  end(): void {
    const open = this.#open;
    this.#open = undefined;
    if (open === undefined) return;
    const { from, to, fromUs, toUs, count, most } = open;
    this.#end({ seqs: { from, to }, fromUs, toUs, count }, most);
  }
}
