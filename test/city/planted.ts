/**
 * What was planted, and what finds it.
 *
 * @module
 */

/** One finding that a verb has to come to. What is the same in every respect is counted. */
type Finding = {
  readonly verb: "coverage" | "reconcile" | "verify";
  /** The verb's own word for it. */
  readonly class: string;
  /** `ORG/DEVICE/STREAM`, or the device where it is about all of it. */
  readonly where: string;
  /** How many of what the class counts: statements, readings, lines. */
  readonly count: number;
};

/** A fault of the city. */
export type Planted = {
  /** What was done, as docs/city.md lists it. */
  readonly fault: string;
  readonly findings: readonly Finding[];
};

/** Told after the city was made: only then numbers are known. */
export type Plant = () => Planted;
