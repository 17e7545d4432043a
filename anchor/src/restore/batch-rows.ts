/**
 * The trees that a database says it committed to, laid beside the one that is being rebuilt. A row is kept where its root, registry and key state follow from
 * the entries and its signature, where it has one, is the log's: receipts will be signed from it again.
 *
 * @module
 */
import { equalBytes, EvidenceError, signBatch, type Signer } from "@tallystick/evidence";
import type { OwnLog } from "../log/own-history.ts";
import type { BatchRow } from "../storage/batches.ts";
import type { DatabaseCopy } from "./database-copy.ts";
import type { RegistryTrail } from "./trail.ts";

/** `kept`: it is right. `dropped`: damaged; the entries get their receipts at the next tree. `forked`: the log's key signed another tree. */
export type RowFinding = "kept" | "dropped" | "forked";

/** The rows of one database in rising order, looked at one by one. */
export class BatchRows {
  readonly copy: DatabaseCopy;
  readonly #rows: Iterator<BatchRow, void, undefined>;
  #next: BatchRow | undefined;

  constructor(copy: DatabaseCopy) {
    this.copy = copy;
    this.#rows = copy.batches();
    this.#advance();
  }

  /** Size of the next row; Infinity after the last. */
  get size(): number {
    return this.#next?.size ?? Infinity;
  }

  take(): BatchRow | undefined {
    const row = this.#next;
    this.#advance();
    return row;
  }

  #advance(): void {
    const { done, value } = this.#rows.next();
    this.#next = done === true ? undefined : value;
  }
}

/**
 * Judges a row by what the entries up to its size lead to.
 *
 * @throws EvidenceError `registry-missing` where the log signed, or this database committed, more items than the sources have
 */
export async function judgeRow(
  row: BatchRow,
  root: Uint8Array,
  trail: RegistryTrail,
  own: OwnLog,
  name: string,
): Promise<RowFinding> {
  const isSigned = row.signature !== null && (await signedBy(own, row, row.signature));
  if (!equalBytes(row.root, root)) return isSigned ? "forked" : "dropped";
  if (row.signature !== null && !isSigned) return "dropped";
  const { count, last } = trail.state;
  const { registry } = row;
  if (registry.count > count) {
    const reason = `${name}: ${registry.count} registry items within ${row.size} entries, and no source has more than ${count} of them`;
    throw new EvidenceError("registry-missing", `${reason}: give a copy with the whole registry beside it`);
  }
  const follows =
    registry.count === count &&
    equalBytes(registry.last, last) &&
    equalBytes(row.keysRoot, trail.keys.root());
  if (follows) return "kept";
  return isSigned ? "forked" : "dropped";
}

async function signedBy(own: OwnLog, row: BatchRow, signature: Uint8Array): Promise<boolean> {
  let isGood = false;
  const checker: Signer = {
    key: own.key,
    sign: (message) => {
      isGood = own.provider.verify(own.key, message, signature);
      return Promise.resolve(signature);
    },
  };
  const { root, signature: _, ...claims } = row;
  await signBatch({ origin: own.origin, ...claims }, root, checker);
  return isGood;
}
