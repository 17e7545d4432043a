/**
 * What can be set of reads. Whoever reads has a token; what one of them may cost is bounded all the same.
 *
 * @module
 */
import { z } from "zod";
import { count } from "../config-parts.ts";

export const ReadSettings = z.strictObject({
  /** How long a read stays open, seconds. */
  openS: count(60, 604_800).default(14_400),
  /** Reads that may be open at once, and of one token; the token's oldest one is ended for a new one. */
  maxOpen: count(1, 100_000).default(1024),
  maxOpenPerToken: count(1, 10_000).default(16),
  /** Reads that one token may begin in a minute: each leaves an entry in the ledger for ever. */
  perTokenPerMinute: count(1, 100_000).default(30),
  /** Pages of statements that may be on their way at once, and of one token: up to 4 MiB each. */
  maxPages: count(1, 1000).default(16),
  maxPagesPerToken: count(1, 1000).default(4),
});

export type ReadsConfig = z.output<typeof ReadSettings>;
