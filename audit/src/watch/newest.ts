/**
 * The log's own receipt for its newest entry: it signs when the tree was committed, and which registry and key state belong to it. A static server has
 * none, which is no fault.
 *
 * @module
 */
import {
  equalBytes,
  HASH_BYTES,
  isEvidenceError,
  parseReceipt,
  parseTransparent,
  TILE_WIDTH,
  toHex,
  verifyReceipt,
  type Hash,
  type Receipt,
  type SignatureProvider,
} from "@tallystick/evidence";
import type { Place } from "@tallystick/evidence/node";
import type { OpenLog } from "../log/note.ts";
import { readEntries } from "../log/tile-files.ts";

const MAX_RECEIPT_BYTES = 65_536;
const MAX_TRANSPARENT_BYTES = 4 << 20;

type Means = { readonly provider: SignatureProvider; readonly hash: Hash };

/** `fits`: it is of the tree that the checkpoint signs. */
export type NewestReceipt = { readonly receipt: Receipt; readonly fits: boolean };

/**
 * @returns undefined where the place gives none of just this size
 * @throws EvidenceError `receipt-…`, `signature-invalid` for one that is wrong
 */
export async function newestReceipt(
  place: Place,
  log: OpenLog,
  means: Means,
): Promise<NewestReceipt | undefined> {
  if (!place.remote || log.size < 2) return undefined;
  const index = Math.ceil(log.size / TILE_WIDTH) - 1;
  const entries = await readEntries(place, index, log.size - index * TILE_WIDTH);
  const entry = entries.slice(-HASH_BYTES);
  const receipt = await askedFor(place, entry, log.size);
  if (receipt?.size !== log.size || receipt.origin !== log.origin) return undefined;
  const { root } = verifyReceipt(receipt, [entry], log.key, means.provider, means.hash);
  return { receipt, fits: equalBytes(root, log.root) };
}

/** By registration's interface, which is public; else by that of the archive. A server that answers anything else has none. */
async function askedFor(place: Place, entry: Uint8Array, size: number): Promise<Receipt | undefined> {
  try {
    const receipt = await place.read(`entries/${toHex(entry)}`, MAX_RECEIPT_BYTES);
    if (receipt !== undefined) return parseReceipt(receipt);
    const path = `statements/${toHex(entry)}?size=${size}`;
    const statement = await place.read(path, MAX_TRANSPARENT_BYTES);
    const last = statement && parseTransparent(statement).receipts.at(-1);
    return last && parseReceipt(last);
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
}
