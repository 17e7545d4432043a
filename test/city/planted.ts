/**
 * What was planted, and what finds it.
 *
 * @module
 */

/** One finding that `coverage` has to come to. */
export type Finding = {
  /** Its own word for it (audit/src/coverage/classes.ts). */
  readonly class: string;
  /** `ORG/DEVICE/STREAM`. */
  readonly where: string;
  /** How many of what the class counts: statements, readings, samples. */
  readonly count: number;
};

/** Readings that come to the ledger later than this are late, for the city's auditor. */
export const LATE_AFTER_S = 7200;

/** A fault of the city. */
export type Planted = {
  /** What was done, as docs/city.md lists it. */
  readonly fault: string;
  readonly findings: readonly Finding[];
};

/** Told after the city was made: only then numbers are known. */
export type Plant = () => Planted;
