/**
 * Gaps: what is missing, told by the device itself.
 *
 * @module
 */
import { decimal, type Decimal } from "@tallystick/evidence";
import type { Time } from "./clock.ts";

/** Unix seconds, to the millisecond. */
export const secondsOf = (unixMs: number): Decimal => decimal(Math.floor(unixMs), -3);

/**
 * The time range of a gap that ends now. Where the time of day was unknown at either end, it is given in seconds since the agent started, which
 * are below 2^28 and so are never taken for a date (RFC 8428 section 4.5.3).
 */
export function gapTime(
  start: { readonly since: number; readonly tq: number },
  now: Time,
  uptimeMs: number,
): { readonly from: Decimal; readonly to: Decimal } {
  if (start.tq > 0 && now.tq > 0)
    return { from: secondsOf(Math.min(start.since, now.timeUnixMs)), to: secondsOf(now.timeUnixMs) };
  return { from: secondsOf(0), to: secondsOf(uptimeMs) };
}
