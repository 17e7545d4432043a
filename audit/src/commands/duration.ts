/**
 * Spans of time as people write them.
 *
 * @module
 */

const UNIT_S: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** Seconds of `90s`, `15m`, `2h`, `1d`, at least 1; undefined for any other text. */
export function durationS(text: string): number | undefined {
  const [, count = "", unit = ""] = /^(\d{1,7})([smhd])$/.exec(text) ?? [];
  const seconds = Number(count) * (UNIT_S[unit] ?? 0);
  return seconds > 0 ? seconds : undefined;
}
