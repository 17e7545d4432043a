/**
 * How fast statements come into being, from what is in the outbox.
 *
 * @module
 */
import type { Storage } from "../storage/storage.ts";

export type Rate = { readonly statementsPerDay: number; readonly bytesPerDay: number };

const DAY_MS = 86_400_000;
/** Newest statements that are looked at, and the longest time back. */
const MAX_STATEMENTS = 20_000;
/** Fewer, or within a shorter time, tell nothing. */
const LEAST_STATEMENTS = 10;
const LEAST_MS = 600_000;

/** The last day's rate, as far back as the outbox reaches; undefined where too little was sealed at a known time. */
export function sealingRate(storage: Storage): Rate | undefined {
  const row = storage
    .query<{ count: number; bytes: number; first: number; last: number }>(
      `WITH newest AS (SELECT size, sealed FROM outbox WHERE tq > 0 ORDER BY id DESC LIMIT ?1)
       SELECT count(*) AS count, sum(size) AS bytes, min(sealed) AS first, max(sealed) AS last FROM newest
       WHERE sealed > (SELECT max(sealed) FROM newest) - ?2`,
    )
    .get(MAX_STATEMENTS, DAY_MS);
  if (row === undefined || row.count < LEAST_STATEMENTS || row.last - row.first < LEAST_MS) return undefined;
  const perDay = DAY_MS / (row.last - row.first);
  return { statementsPerDay: row.count * perDay, bytesPerDay: row.bytes * perDay };
}
