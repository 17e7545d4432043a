/**
 * A stream's days, of UTC: whole, with something missing, or missing. By the readings' own times, as coverage has them.
 *
 * @module
 */
import { decimalToNumber, type Decimal, type StreamCoverage } from "@tallystick/evidence";
import type { DayState } from "./block.ts";
import { MAX_DAYS } from "./evidence.ts";
import { utcDay } from "./text.ts";

const DAY_S = 86_400;

/** The last {@link MAX_DAYS} days of the span; none where no reading has a time. */
export function dayStates({ span, missing }: StreamCoverage): { day: string; state: DayState }[] {
  if (span === null) return [];
  const [from, to] = [decimalToNumber(span.from), decimalToNumber(span.to)];
  const holes = missing.map(({ after, before }) => ({ from: seconds(after, from), to: seconds(before, to) }));
  const last = Math.floor(to / DAY_S);
  const first = Math.max(Math.floor(from / DAY_S), last - MAX_DAYS + 1);
  return Array.from({ length: last - first + 1 }, (_, i) => {
    const [start, end] = [(first + i) * DAY_S, (first + i + 1) * DAY_S];
    const touched = holes.filter((hole) => hole.from < end && hole.to > start);
    const state = touched.length === 0 ? "whole" : isCovered(start, end, touched) ? "missing" : "partly";
    return { day: utcDay(start), state };
  });
}

const seconds = (value: Decimal | null, otherwise: number): number =>
  value === null ? otherwise : decimalToNumber(value);

/** One hole over all of the day: between two holes there is a reading. */
const isCovered = (start: number, end: number, holes: readonly { from: number; to: number }[]): boolean =>
  holes.some((hole) => hole.from <= start && hole.to >= end);
