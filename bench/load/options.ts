/**
 * What the load is told, what it tells while it runs, and what it reports.
 *
 * @module
 */

export type LoadOptions = {
  readonly host: string;
  readonly port: number;
  readonly devices: number;
  /** The stream of every device in this run: a fresh one, since each chain begins once. */
  readonly stream: string;
  /** Signed beforehand, over all devices. */
  readonly statements: number;
  /** Readings in a statement: registers of one meter, taken together. */
  readonly readings: number;
  /** Statements in a message. */
  readonly perMessage: number;
  /** Closed loop: so many messages of each device are under way, and a receipt lets the next one go. */
  readonly inFlight: number;
  /** Open loop: so many statements a second, whatever comes back. */
  readonly rate?: number;
  /** Statements that are receipted before the measured stage begins. */
  readonly warmUp: number;
  /** Longest measured stage. */
  readonly maxSeconds: number;
  /** What statements say of the log. */
  readonly seen: { readonly size: number; readonly root: string; readonly origin: string };
  /** The log's name and key (hex), to verify one message of receipts in `verifyEvery`. */
  readonly log: { readonly origin: string; readonly key: string };
  readonly verifyEvery: number;
};

/** Told by the load in this order; it begins only when it is told `go`. */
export type LoadMessage =
  | { readonly kind: "ready"; readonly signedPerS: number; readonly statementBytes: number }
  | { readonly kind: "measuring" }
  | { readonly kind: "measured" }
  | { readonly kind: "result"; readonly result: LoadResult };

export type LoadResult = {
  /** Length of the measured stage, and statements that were receipted in it. */
  readonly seconds: number;
  readonly receipted: number;
  /** Processor time of the load in it, seconds. */
  readonly cpuS: number;
  /** Over the whole run: statements sent; receipted; more than once; never. */
  readonly sent: number;
  readonly once: number;
  readonly twice: number;
  readonly never: number;
  /** Messages that had to be sent again. */
  readonly resent: number;
  /** Receipts that were verified, each with all its proofs and the log's signature. */
  readonly verifiedReceipts: number;
  readonly verifiedStatements: number;
  readonly refusals: Readonly<Record<string, number>>;
  /** From the moment a statement was due to be sent to the receipt's arrival, milliseconds. */
  readonly latencyMs: {
    readonly p50: number;
    readonly p99: number;
    readonly p999: number;
    readonly max: number;
  };
  /** Bytes of the payloads up and down, a statement. */
  readonly upBytes: number;
  readonly downBytes: number;
};
