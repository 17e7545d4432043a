/**
 * Plots and strips of days on the pages of a PDF, with the geometry that the SVG has.
 *
 * @module
 */
import type { DayState, Plot, Strip } from "./block.ts";
import { draw, tick } from "./geometry.ts";
import { latinText, type PdfLayout } from "./pdf-layout.ts";
import { LIGHT } from "./style.ts";
import { utcTime } from "./text.ts";

const [HEIGHT, LEFT] = [110, 70];
const DAYS_A_ROW = 31;
const DAY = 12;

const FILL: Record<DayState, string | undefined> = {
  whole: LIGHT.good,
  explained: LIGHT.limited,
  unexplained: LIGHT.bad,
  empty: undefined,
};

export function drawPlot(layout: PdfLayout, { caption, points, unit }: Plot): void {
  const drawn = draw(points);
  if (drawn === undefined) return;
  layout.need(HEIGHT + 40);
  layout.caption(caption);
  const { document, left, width } = layout;
  const [top, wide] = [document.y, width - LEFT];
  document
    .rect(left + LEFT, top, wide, HEIGHT)
    .lineWidth(0.5)
    .stroke(LIGHT.line);
  for (const [i, [x, y]] of drawn.spots.entries()) {
    const [at, height] = [left + LEFT + x * wide, top + (1 - y) * HEIGHT];
    if (i === 0) document.moveTo(at, height);
    else document.lineTo(at, height);
  }
  document.lineWidth(1).stroke(LIGHT.link);
  document.font("Helvetica").fontSize(7).fillColor(LIGHT.soft);
  const label = (text: string, y: number): void => {
    document.text(latinText(text, 20), left, y, { width: LEFT - 5, align: "right", lineBreak: false });
  };
  label(tick(drawn.high), top + 1);
  label(unit, top + HEIGHT / 2 - 4);
  label(tick(drawn.low), top + HEIGHT - 8);
  const foot = top + HEIGHT + 3;
  document.text(utcTime(drawn.from), left + LEFT, foot, { width: wide / 2, lineBreak: false });
  document.text(utcTime(drawn.to), left + LEFT + wide / 2, foot, {
    width: wide / 2,
    align: "right",
    lineBreak: false,
  });
  document.x = left;
  document.y = foot + 14;
}

export function drawStrip(layout: PdfLayout, { caption, days, legend }: Strip): void {
  const rows = Math.ceil(days.length / DAYS_A_ROW);
  layout.need(rows * DAY + 50);
  layout.caption(caption);
  const { document, left } = layout;
  const top = document.y + 2;
  for (const [i, { state }] of days.entries())
    drawDay(layout, state, left + (i % DAYS_A_ROW) * DAY, top + Math.floor(i / DAYS_A_ROW) * DAY);
  let x = left;
  const y = top + rows * DAY + 4;
  for (const { state, text } of legend) {
    drawDay(layout, state, x, y);
    document.font("Helvetica").fontSize(8).fillColor(LIGHT.ink);
    document.text(latinText(text, 40), x + DAY + 3, y + 1, { lineBreak: false });
    x += DAY + 24 + document.widthOfString(latinText(text, 40));
  }
  document.x = left;
  document.y = y + DAY + 6;
}

/** A stroke through what is missing and explained, a cross through what nobody explains: not by colour alone. */
function drawDay({ document }: PdfLayout, state: DayState, x: number, y: number): void {
  const [a, b, size] = [x + 1, y + 1, DAY - 2];
  const fill = FILL[state];
  if (fill === undefined) document.rect(a, b, size, size).lineWidth(0.5).stroke(LIGHT.line);
  else document.rect(a, b, size, size).fill(fill);
  if (state === "explained" || state === "unexplained")
    document
      .moveTo(a, b + size)
      .lineTo(a + size, b)
      .lineWidth(1)
      .stroke(LIGHT.paper);
  if (state === "unexplained")
    document
      .moveTo(a, b)
      .lineTo(a + size, b + size)
      .lineWidth(1)
      .stroke(LIGHT.paper);
}
