/**
 * What a sample says: the body of its result. Amounts are exact decimals as text; the order of everything is fixed.
 *
 * @module
 */

export type SampleMethod = "simple" | "stratified" | "money-unit";

/** One item that was drawn, as in `items.csv`. What doesn't apply is an empty text. */
export type SampleRow = {
  /** From 1, in the order of the list. */
  readonly number: string;
  /** The item's id: of a statement its hash; of a line its class and the number of its row in that class's file, from 1. */
  readonly id: string;
  readonly rank: string;
  readonly stratum: string;
  readonly amount: string;
  readonly hits: string;
  /** ORG/DEVICE/STREAM. */
  readonly stream: string;
  /** Of a line: line of the export, key, and what it was found to be. */
  readonly line: string;
  readonly key: string;
  readonly class: string;
  /** Hashes of the statements behind it, and their places in the log; joined by blanks. */
  readonly statements: string;
  readonly indexes: string;
  /** The item's evidence in a file, and its own verdict; empty where no statement stands behind it. */
  readonly bundle: string;
  readonly verdict: string;
};

export type SampleBody = {
  readonly algorithm: string;
  readonly seed: string;
  readonly n: number;
  readonly method: SampleMethod;
  readonly of: "statements" | "lines";
  /** Of the statements: kinds that are in the population. */
  readonly kinds: readonly string[];
  /** What the lines were read from: the result and the files of its classes. */
  readonly from: readonly { readonly name: string; readonly sha256: string }[];
  readonly stratify: string | null;
  readonly population: {
    readonly count: number;
    /** Sum of the amounts, none negative; null unless money units are drawn. */
    readonly amount: string | null;
    readonly currency: string | null;
  };
  /** Where the first point lies, times n: null unless money units are drawn. */
  readonly start: string | null;
  /** One without a name where nothing is stratified. */
  readonly strata: readonly { readonly name: string; readonly count: number; readonly drawn: number }[];
  readonly drawn: number;
  readonly file: string;
  /** The first rows of that file. */
  readonly examples: readonly SampleRow[];
};
