/**
 * Where the lines of a plot go: in a box of 1 by 1, so that SVG and PDF draw the same. Long series are thinned to the first, lowest, highest and
 * last value of each column, so that no peak is lost and the size is bounded.
 *
 * @module
 */
import type { Point } from "./block.ts";

/** Columns of a plot; each has at most four points. */
const COLUMNS = 240;

/** x to the right, y upwards, both 0 to 1. */
type Spot = readonly [x: number, y: number];
export type Drawn = {
  readonly spots: readonly Spot[];
  readonly from: number;
  readonly to: number;
  readonly low: number;
  readonly high: number;
};

/** A value beside its axis: all digits that a double has to give, without noise; for the eye only. */
export const tick = (value: number): string => String(Number(value.toPrecision(14)));

/** Undefined where fewer than two points are to be drawn, or one isn't finite. */
export function draw(points: readonly Point[]): Drawn | undefined {
  if (points.length < 2) return undefined;
  let [from, to, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { at, value } of points) {
    if (!Number.isFinite(at) || !Number.isFinite(value)) return undefined;
    from = Math.min(from, at);
    to = Math.max(to, at);
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  const x = (at: number): number => (to > from ? (at - from) / (to - from) : 0.5);
  const y = (value: number): number => (high > low ? (value - low) / (high - low) : 0.5);
  const spots = thinned(points, x).map(({ at, value }): Spot => [x(at), y(value)]);
  return { spots, from, to, low, high };
}

function thinned(points: readonly Point[], x: (at: number) => number): Point[] {
  const sorted = points.toSorted((a, b) => a.at - b.at);
  if (sorted.length <= 4 * COLUMNS) return sorted;
  const columns = new Map<number, Point[]>();
  for (const point of sorted) {
    const column = Math.min(COLUMNS - 1, Math.floor(x(point.at) * COLUMNS));
    const known = columns.get(column);
    if (known === undefined) columns.set(column, [point]);
    else known.push(point);
  }
  return [...columns.values()].flatMap(extremes);
}

/** First, lowest, highest and last, each once and in order. */
function extremes(points: readonly Point[]): Point[] {
  let [low, high] = [points[0], points[0]];
  for (const point of points) {
    if (low === undefined || point.value < low.value) low = point;
    if (high === undefined || point.value > high.value) high = point;
  }
  return points.filter((one, i) => i === 0 || one === low || one === high || i === points.length - 1);
}
