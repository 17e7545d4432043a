/**
 * What can be set of registration over HTTP.
 *
 * @module
 */
import { z } from "zod";
import { isEvidenceError, NOTE_ED25519, parseVkey } from "@tallystick/evidence";
import { count } from "../config-parts.ts";

export const ScrapiSettings = z.strictObject({
  /** Statements from one address in a minute; one that is refused counts for ten. */
  perAddressPerMinute: count(10, 1_000_000).default(3000),
  /** Statements whose senders wait for their receipts. */
  maxWaiting: count(1, 100_000).default(256),
  /** So long a sender waits for his receipt; then he is told to fetch it. */
  waitMs: count(10, 60_000).default(10_000),
  /** Verifier keys of earlier logs that were served here, so that their receipts' keys can still be asked for: what `tally-anchor init` printed. */
  retiredKeys: z.array(z.string().refine(isLogKey, "give a log's verifier key: NAME+ID+KEY")).default([]),
});

export type ScrapiConfig = z.output<typeof ScrapiSettings>;

function isLogKey(text: string): boolean {
  try {
    return parseVkey(text).type === NOTE_ED25519;
  } catch (error) {
    if (isEvidenceError(error)) return false;
    throw error;
  }
}
