/**
 * First reading of the evidence given: which sizes, entries and registry counts it speaks of. Only numbers are kept; the files
 * are read again once the log was walked.
 *
 * @module
 */
import { isEvidenceError, parseReceipt, type Receipt, type Statement } from "@tallystick/evidence";
import { filesOf, readEvidence, readGiven, type Given } from "./given.ts";
import type { Wanted } from "./facts.ts";

/** The log that is audited, and how far. */
export type LogName = { readonly origin: string; readonly size: number };

/** Notes down what the files speak of. What can't be read is left for the second reading to report. */
export async function gather(names: readonly string[], log: LogName, wanted: Wanted): Promise<void> {
  for await (const file of filesOf(names)) {
    try {
      for (const given of readGiven(await readEvidence(file))) noteDown(given, log, wanted);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
    }
  }
}

/** Notes down what one thing speaks of. */
export function noteDown(given: Given, log: LogName, wanted: Wanted): void {
  if (given.kind === "receipt") noteReceipt(given.receipt, log.size, wanted, true);
  if (given.kind !== "statement") return;
  noteSeen(given.statement, log, wanted);
  for (const bytes of given.receipts) {
    const receipt = parsed(bytes);
    if (receipt !== undefined) noteReceipt(receipt, log.size, wanted, false);
  }
}

function noteReceipt(
  { size, registry, proofs }: Receipt,
  logSize: number,
  wanted: Wanted,
  bare: boolean,
): void {
  if (bare) for (const { index } of proofs) if (index < logSize) wanted.indexes.add(index);
  if (size > logSize) return;
  wanted.sizes.add(size);
  wanted.counts.add(registry.count);
  wanted.leastItems = Math.max(wanted.leastItems, registry.count);
}

function noteSeen({ claims: { seen } }: Statement, { origin, size }: LogName, wanted: Wanted): void {
  if (seen === undefined || (seen.origin ?? origin) !== origin) return;
  if (seen.size <= size) wanted.sizes.add(seen.size);
}

function parsed(bytes: Uint8Array): Receipt | undefined {
  try {
    return parseReceipt(bytes);
  } catch (error) {
    if (isEvidenceError(error)) return undefined; // foreign or malformed: the second reading says which
    throw error;
  }
}
