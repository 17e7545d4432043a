/**
 * Plots, strips and bars as inline SVG. Only classes and numbers: a page's policy forbids style attributes, and no text comes into markup unescaped.
 *
 * @module
 */
import type { Bars, DayState, Plot, Strip } from "./block.ts";
import { draw, tick } from "./geometry.ts";
import { escaped } from "./html-text.ts";
import { utcTime } from "./text.ts";

const [WIDTH, HEIGHT, BOTTOM, TOP] = [720, 180, 22, 8];
/** Room for what stands beside the axis: as much as its longest text takes. */
const LEAST_LEFT = 84;
const DIGIT = 8;
/** Days in a row of a strip, and the width of one. */
const DAYS_A_ROW = 31;
const DAY = 20;

const place = (value: number): string => String(Math.round(value * 10) / 10);

/** Nothing where there is nothing to draw. */
export function plotSvg({ points, described, unit }: Plot): string {
  const drawn = draw(points);
  if (drawn === undefined) return "";
  const [top, bottom] = [tick(drawn.high), tick(drawn.low)];
  const left = Math.max(LEAST_LEFT, 12 + DIGIT * Math.max(top.length, bottom.length));
  const [wide, high] = [WIDTH - left - 4, HEIGHT - TOP - BOTTOM];
  const line = drawn.spots
    .map(([x, y]) => `${place(left + x * wide)},${place(TOP + (1 - y) * high)}`)
    .join(" ");
  const text = (x: number, y: number, anchor: string, words: string): string =>
    `<text x="${x}" y="${y}" text-anchor="${anchor}">${escaped(words)}</text>`;
  return [
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(described)}">`,
    `<rect class="frame" x="${left}" y="${TOP}" width="${wide}" height="${high}"/>`,
    `<polyline class="curve" points="${line}"/>`,
    text(left - 6, TOP + 10, "end", top),
    text(left - 6, TOP + high, "end", bottom),
    text(left - 6, TOP + high / 2, "end", unit),
    text(left, HEIGHT - 6, "start", utcTime(drawn.from)),
    text(WIDTH - 4, HEIGHT - 6, "end", utcTime(drawn.to)),
    "</svg>",
  ].join("");
}

/** Told apart without colours, too: a stroke through what is missing and explained, a cross through what nobody explains. */
function cell(state: DayState, x: number, y: number): string {
  const [a, b, size] = [x + 2, y + 2, DAY - 4];
  const box = `<rect class="${state}" x="${a}" y="${b}" width="${size}" height="${size}"/>`;
  const slash = `<line class="cross" x1="${a}" y1="${b + size}" x2="${a + size}" y2="${b}"/>`;
  const back = `<line class="cross" x1="${a}" y1="${b}" x2="${a + size}" y2="${b + size}"/>`;
  return state === "explained" ? box + slash : state === "unexplained" ? box + slash + back : box;
}

export function stripSvg({ days, described, legend }: Strip): string {
  const rows = Math.max(1, Math.ceil(days.length / DAYS_A_ROW));
  const cells = days.map(({ day, state }, i) => {
    const [x, y] = [(i % DAYS_A_ROW) * DAY, Math.floor(i / DAYS_A_ROW) * DAY];
    return `<g><title>${escaped(day)}</title>${cell(state, x, y)}</g>`;
  });
  const items = legend.map(
    ({ state, text }) =>
      `<li><svg viewBox="0 0 ${DAY} ${DAY}" aria-hidden="true">${cell(state, 0, 0)}</svg>${escaped(text)}</li>`,
  );
  return [
    `<svg viewBox="0 0 ${DAYS_A_ROW * DAY} ${rows * DAY}" role="img" aria-label="${escaped(described)}">`,
    ...cells,
    `</svg><ul class="legend">`,
    ...items,
    "</ul>",
  ].join("");
}

/** Whatever there is of something is seen. */
export const barLength = (share: number, whole: number): number =>
  share > 0 ? whole * Math.max(0.004, Math.min(1, share)) : 0;

/** One bar; its length is a drawing of what the cell beside it says. */
export const barSvg = ({ share, tone }: Bars["bars"][number]): string =>
  `<svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="bar ${tone}" x="0" y="0" width="${place(barLength(share, 100))}" height="8"/></svg>`;
