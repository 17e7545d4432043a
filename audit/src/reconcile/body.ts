/**
 * What a reconciliation says: the body of its result, for whoever shows or signs it. All money and quantities are exact decimals as text; the
 * order of everything is fixed, so that the same inputs give the same bytes.
 *
 * @module
 */

/** Every line of an export falls into exactly one of these; `proven-not-billed` holds what was proven and has no line. */
export const LINE_CLASSES = [
  "billed-and-proven",
  "billed-not-proven",
  "amount-differs",
  "charged-twice",
  "adjusted",
  "ambiguous",
  "out-of-period",
  "amount-not-attested",
  "proven-not-billed",
] as const;
export type LineClass = (typeof LINE_CLASSES)[number];

/** Classes that count as findings. */
export const FINDINGS: ReadonlySet<LineClass> = new Set([
  "billed-not-proven",
  "amount-differs",
  "charged-twice",
  "ambiguous",
  "out-of-period",
  "proven-not-billed",
]);

/** For people; the class itself is what programs read. */
export const CLASS_TITLES: Readonly<Record<LineClass, string>> = {
  "billed-and-proven": "billed and proven",
  "billed-not-proven": "billed, not proven",
  "amount-differs": "amount differs",
  "charged-twice": "charged twice",
  adjusted: "adjusted, base proven",
  ambiguous: "ambiguous",
  "out-of-period": "out of period",
  "amount-not-attested": "amount not attested",
  "proven-not-billed": "proven, not billed",
};

/** Sums of one class in one currency; `""` where the export has no currency. `proven` and `difference` are null where nothing is attested. */
export type Money = {
  readonly currency: string;
  readonly billed: string;
  readonly proven: string | null;
  /** Billed less proven, over the lines that have both. */
  readonly difference: string | null;
};

/** Sums of quantities: registers or consumption, in the unit of the export. */
type Quantity = { readonly billed: string; readonly proven: string };

export type ClassTotal = {
  readonly class: LineClass;
  readonly count: number;
  readonly money: readonly Money[];
  readonly quantity: Quantity | null;
  /** How often each reason was given, by reason. */
  readonly reasons: Readonly<Record<string, number>>;
  readonly finding: boolean;
  /** How many of a finding the map tolerates. */
  readonly tolerated: number;
  /** One row a line, beside result.json. */
  readonly file: string;
  /** The first rows of that file. */
  readonly examples: readonly LineRow[];
};

/** One row of a class, as in its CSV. What doesn't apply is an empty text. */
export type LineRow = {
  /** Line of the export on which it ends, from 1; empty for what has no line. */
  readonly line: string;
  readonly type: string;
  readonly key: string;
  readonly account: string;
  /** ORG/DEVICE/STREAM. */
  readonly stream: string;
  /** As the scope's zone shows it, with its offset: of the line, else of the event. */
  readonly time: string;
  readonly until: string;
  readonly currency: string;
  readonly billed: string;
  readonly proven: string;
  readonly difference: string;
  readonly quantityBilled: string;
  readonly quantityProven: string;
  /** Why it is in this class, by code: docs/reconcile.md has the sentences. */
  readonly reason: string;
  /** Hashes of the statements behind it, hexadecimal, and their places in the log of the result's checkpoint; joined by blanks. */
  readonly statements: string;
  readonly indexes: string;
  /** Size of the tree at whose root the receipts prove them: the root is in the result. */
  readonly checkpoint: string;
};

/** A share of performance, named as ISO/TS 37444 has it where that fits. `of` is 0 where there was nothing to measure. */
export type Metric = { readonly name: string; readonly count: number; readonly of: number };

export type ReconcileBody = {
  readonly against: "events" | "readings";
  readonly scope: {
    /** With the offset of the zone. */
    readonly from: string;
    readonly to: string;
    readonly zone: string;
    readonly graceBeforeS: number;
    readonly graceAfterS: number;
  };
  readonly export: {
    readonly lines: number;
    /** Lines that the map leaves out by their type: subtotals and the like. */
    readonly ignored: number;
    readonly money: readonly { readonly currency: string; readonly billed: string }[];
  };
  readonly evidence: {
    /** Proven events, or registers, that the lines were laid beside. */
    readonly proven: number;
    /** The same that have no standing, and prove nothing. */
    readonly unproven: number;
    /** Proven events beside the scope, in its grace, without a line: of the period before or after. */
    readonly inGrace: number;
    /** Proven events that ask for no line: nothing to pay, or not demanded by the map. */
    readonly notDemanded: number;
  };
  /** All of {@link LINE_CLASSES}, in that order. */
  readonly classes: readonly ClassTotal[];
  readonly metrics: readonly Metric[];
};
