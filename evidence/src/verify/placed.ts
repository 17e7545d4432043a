/**
 * A statement with its place: parsed, with receipts that hold, at one index of one trusted log.
 *
 * @module
 */
import { equalBytes, toHex } from "../bytes.ts";
import { EvidenceError, isEvidenceError } from "../errors.ts";
import type { Statement } from "../statement/statement.ts";
import type { Transparent } from "../statement/transparent.ts";
import type { Findings } from "./findings.ts";
import type { GoodReceipt, ReceiptCheck } from "./receipts.ts";
import type { CheckedLog } from "./trust.ts";

export type Placed = {
  readonly statement: Statement;
  readonly log: CheckedLog;
  readonly index: number;
  /** Whose commit time is the one reported. */
  readonly original: GoodReceipt;
  /** At the bundle's checkpoint. */
  readonly newest: GoodReceipt;
};

/**
 * Places each transparent statement of a bundle by its two receipts: the original one, and one at the checkpoint.
 * Reports what {@link ReceiptCheck} does, and `receipt-missing`, `receipt-malformed` (a foreign one), `receipt-index`, `receipt-size`, `log-equivocation`.
 */
export function placeAll(
  transparents: readonly Transparent[],
  logs: readonly (CheckedLog | undefined)[],
  receipts: ReceiptCheck,
  findings: Findings,
): Placed[] {
  return transparents.flatMap((one) => {
    try {
      const placed = place(one, logs, receipts);
      return placed === undefined ? [] : [placed];
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      findings.failed("receipts", error.code, `${error.message}; statement ${toHex(one.statement.hash)}`);
      return [];
    }
  });
}

function logOf(logs: readonly (CheckedLog | undefined)[], origin: string): CheckedLog | undefined {
  for (const log of logs) if (log?.origin === origin) return log;
  return undefined;
}

/**
 * Places one statement; undefined where a receipt doesn't hold, which was reported.
 *
 * @throws EvidenceError what the two receipts together get wrong
 */
export function place(
  { statement, receipts: both }: Transparent,
  logs: readonly (CheckedLog | undefined)[],
  receipts: ReceiptCheck,
): Placed | undefined {
  if (both.length !== 2) {
    throw new EvidenceError(
      "receipt-missing",
      "in a bundle each statement has two receipts: the original, and one at the checkpoint",
    );
  }
  // A foreign receipt proves no place: its statement would drop out of every later check, its signature unseen.
  const [first, second] = both as readonly [Uint8Array, Uint8Array];
  if (receipts.isForeign(first) || receipts.isForeign(second)) {
    throw new EvidenceError("receipt-malformed", "a receipt in a bundle signs its size");
  }
  const original = receipts.check(first, statement.hash);
  const newest = receipts.check(second, statement.hash);
  if (original === undefined || newest === undefined) return undefined; // reported already
  const { origin, size: newestSize, root: newestRoot } = newest.tree;
  if (original.tree.origin !== origin || original.index !== newest.index) {
    throw new EvidenceError("receipt-index", "the two receipts name different places");
  }
  const log = logOf(logs, origin);
  if (log === undefined)
    throw new EvidenceError("receipt-missing", "the bundle has no checkpoint of the receipts' log");
  const { size, root } = log.checkpoint;
  if (newestSize !== size) {
    throw new EvidenceError("receipt-size", "the second receipt is not at the checkpoint", {
      size: newestSize,
      checkpoint: size,
    });
  }
  if (original.tree.size > size)
    throw new EvidenceError("receipt-size", "a receipt newer than the checkpoint", {
      size: original.tree.size,
    });
  if (!equalBytes(newestRoot, root)) {
    throw new EvidenceError("log-equivocation", "receipt and checkpoint of one size have different roots", {
      size,
    });
  }
  return { statement, log, index: newest.index, original, newest };
}
