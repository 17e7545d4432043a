/**
 * What a coverage says: the body of its result, for whoever shows or signs it. Times are RFC 3339 in the zone of the result, with the fraction
 * that they have; hashes and chains hexadecimal; `seqs` closed ranges, both ends meant. The order of everything is fixed.
 *
 * @module
 */
import type { FindingClass, Weight } from "./classes.ts";

/**
 * Why something isn't here. Where several causes meet, the one that stands first in this list is named: it says least for whoever is asked.
 *
 * - `unexplained` nothing and nobody says why
 * - `bad` a statement is here, and doesn't hold: it proves nothing
 * - `not-handed-over` the anchor knows of it, and the case says that it didn't come
 * - `lost` a chain begins with a predecessor that is lost, for a stated reason
 * - `erased` from the archive, by an order that is in the ledger
 * - `told` the device signed that it is missing, and why
 * - `silent` the chain lacks nothing; the source brought no sample where one was due. Said of samples only
 */
export const CAUSES = ["unexplained", "bad", "not-handed-over", "lost", "erased", "told", "silent"] as const;
export type Cause = (typeof CAUSES)[number];

/** How many of each cause; every cause is there, in the order of {@link CAUSES}. */
export type ByCause = Readonly<Record<Cause, number>>;

export type Seqs = { readonly from: number; readonly to: number };

/** Samples of a stream in a stretch of time. */
export type Tally = {
  /** Received and missing; null where the stream promises no interval, or no opening of it is here. */
  readonly expected: number | null;
  readonly received: number;
  readonly missing: ByCause;
  /** Readings that came to the log later than `lateAfterS` after their time. */
  readonly late: number;
  /** Readings of a name, time and value that was there already, and of another value than was there. */
  readonly repeats: number;
  readonly conflicts: number;
};

/** How a stretch is to be coloured: all here; something is missing and explained; something is missing that isn't; nothing was due. */
export type Colour = "green" | "amber" | "red" | "none";

/** A day, or a month, of the zone: `2026-10-25`, `2026-10`; cut at the ends of the period. */
export type Stretch = {
  readonly label: string;
  readonly from: string;
  readonly to: string;
  readonly colour: Colour;
} & Tally;

/** What shows that nothing of the period lies beyond the statements that are here. */
export type Edge = {
  /**
   * `reading` a statement beyond the period is here, and no number is missing up to it · `chain` the first chain begins, or the stream was
   * closed, here · `heads` the device said, at `at`, that nothing newer was there · `open` nothing shows it
   */
  readonly by: "reading" | "chain" | "heads" | "open";
  /** Time of that statement; null where `by` is `open`, or the statement has none. */
  readonly at: string | null;
};

export type ChainCoverage = {
  readonly ch: string;
  /** The numbers that can have to do with the period: what is said below is said of these. Held and missing are all of them. */
  readonly seqs: Seqs;
  readonly held: number;
  readonly missing: ByCause;
  /** The last number of these that a `heads` statement, or the opening of the next chain, names with its hash, and when that was signed. */
  readonly attested: { readonly seq: number; readonly at: string | null } | null;
};

export type StreamCoverage = {
  readonly iss: string;
  readonly sub: string;
  /** `complete`; `explained` where all that is missing has an explanation; `incomplete`; `empty` where nothing is here and nothing was due. */
  readonly state: "complete" | "explained" | "incomplete" | "empty";
  /** What the stream says of itself in its newest opening; null where no opening is here. */
  readonly source: string | null;
  readonly meter: string | null;
  /** Seconds between samples, as signed; `0` where they come as they come. */
  readonly interval: string | null;
  readonly begins: Edge;
  readonly ends: Edge;
  /** In the order in which they follow one another. */
  readonly chains: readonly ChainCoverage[];
  /** Readings of the period, in statements that hold. */
  readonly readings: number;
  /** Readings without a time, sealed in the period: they are not among those above. */
  readonly untimed: number;
  /** Of `readings` by the clock at sealing: unknown, unsynchronised, NTP or PTP, GNSS or authenticated. */
  readonly clock: readonly [number, number, number, number];
  /** Of `readings` with a mark of quality; marks that none has are left out. */
  readonly qualities: readonly { readonly quality: string; readonly count: number }[];
  readonly first: string | null;
  readonly last: string | null;
  readonly total: Tally;
  readonly months: readonly Stretch[];
  readonly days: readonly Stretch[];
};

/** What a device says of itself on `sys`, and when it was heard. */
export type DeviceCoverage = {
  readonly iss: string;
  /** Longest silence that its enrolment allows, seconds; null where its key isn't known. */
  readonly silenceS: number | null;
  /** Whether its `sys` stream is here for the period, without a hole: else starts and clock steps may be left out, and silence is not known. */
  readonly told: boolean;
  readonly starts: number;
  /** Versions of the agent that started in the period, in order, each once where it follows itself. */
  readonly versions: readonly string[];
  /** Longest stretch between two commits of anything of it, seconds; null where `told` is false. */
  readonly longestS: number | null;
};

/** Something to look at. `weight` is that of its class: a `fault` is nobody's word; `told` is explained, or a part of life. */
export type Finding = {
  readonly class: FindingClass;
  readonly iss: string;
  readonly sub: string;
  readonly ch: string | null;
  readonly seqs: Seqs | null;
  /** Where in time: both ends are known or not, each for itself. */
  readonly from: string | null;
  readonly to: string | null;
  /** How many: numbers, readings or samples, as the class says. */
  readonly count: number;
  /** Of what it is said: a register, say. */
  readonly name: string | null;
  /** In words, from the evidence and from nowhere else. */
  readonly says: string;
};

export type ClassCount = { readonly class: FindingClass; readonly weight: Weight; readonly count: number };

export type CoverageBody = {
  readonly zone: string;
  readonly from: string;
  readonly to: string;
  readonly lateAfterS: number;
  readonly streams: readonly StreamCoverage[];
  readonly devices: readonly DeviceCoverage[];
  /** Every class of which there is one, in the order of the table. */
  readonly counts: readonly ClassCount[];
  /** By stream, class and place; of each stream and class at most {@link MAX_LISTED}. The CSV files have all of them. */
  readonly findings: readonly Finding[];
};

export const MAX_LISTED = 200;
