/**
 * Times as people give them on a command line.
 *
 * @module
 */
import { UsageError } from "@tallystick/evidence/node";

const UNIT_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of `15m`, `24h`. @throws UsageError that names `what` */
export function durationS(given: string, what: string): number {
  const [, number, unit = ""] = /^(\d{1,9})([smhd])$/.exec(given) ?? [];
  if (number === undefined)
    throw new UsageError(`${what}: ${given}: give a number and s, m, h or d, e.g. 15m`);
  return Number(number) * (UNIT_S[unit] ?? 1);
}
