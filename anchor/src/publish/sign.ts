/**
 * What the log's key signs: of each committed batch one signed note and one signature for all its receipts. Ed25519 is deterministic, so
 * after a crash the same row gives the same bytes again.
 *
 * @module
 */
import { formatCheckpoint, signBatch, signNote, type SignedBatch, type Signer } from "@tallystick/evidence";
import type { BatchRow } from "../storage/batches.ts";

/** The log as its key knows it. */
export type LogIdentity = { readonly origin: string; readonly signer: Signer };

/** The one signature from which the receipts of a batch are made: the stored one where there is one. */
export function signedBatch(log: LogIdentity, row: BatchRow): Promise<SignedBatch> {
  const { signature, root, ...claims } = row;
  const signer: Signer =
    signature === null ? log.signer : { key: log.signer.key, sign: () => Promise.resolve(signature) };
  return signBatch({ origin: log.origin, ...claims }, root, signer);
}

/** The checkpoint of a batch as a signed note. */
export const signedNote = ({ origin, signer }: LogIdentity, { size, root }: BatchRow): Promise<string> =>
  signNote(formatCheckpoint({ origin, size, root }), origin, signer);
