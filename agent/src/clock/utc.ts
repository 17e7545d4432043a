/**
 * Moments for people and programs to read.
 *
 * @module
 */

/** The last moment that a Date holds, in both directions, Unix milliseconds. */
const MAX_UNIX_MS = 8.64e15;

/** RFC 3339 in UTC; where no calendar has the moment, the milliseconds themselves: it comes from somebody's broken clock, and stops nothing here. */
export const inUtc = (unixMs: number): string =>
  Math.abs(unixMs) <= MAX_UNIX_MS ? new Date(unixMs).toISOString() : String(unixMs);
