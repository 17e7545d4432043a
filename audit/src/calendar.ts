/**
 * Days, months and billing periods of a time zone, as instants; and instants as people write them.
 *
 * A day begins with the first moment that carries its date: where the clock skips midnight that is the moment of the jump, and where it
 * shows midnight twice the earlier one. So days and months cover time without a hole, however long they are: 23, 24 or 25 hours, mostly.
 *
 * @module
 */
import type { Zone } from "./zone.ts";

/** From the instant `from` on and before `to`, Unix seconds; `label` is the date or month of its beginning. */
export type CalendarPeriod = { readonly label: string; readonly from: number; readonly to: number };

/** How time is cut: by days; by months, each from the day `from` on (1, or the day of billing; the last of a shorter month). */
export type Cut = { readonly unit: "day" } | { readonly unit: "month"; readonly from: number };

/** A date and a time of day, as the seconds at which a clock in UTC would show it; undefined where the calendar has none such. */
export function wallOf(
  year: number,
  month: number,
  day: number,
  hour = 0,
  minute = 0,
  second = 0,
): number | undefined {
  if (!(hour < 24 && minute < 60 && second < 60)) return undefined;
  const wall = Date.UTC(year, month - 1, day, hour, minute, second) / 1000;
  const date = new Date(wall * 1000);
  // Date.UTC turns the 30th of February into the second of March.
  return date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day
    ? wall
    : undefined;
}

/** The first instant of the date that a wall falls on. */
export function startOfDay(zone: Zone, wall: number): number {
  return firstInstant(zone, Math.floor(wall / 86_400) * 86_400);
}

/**
 * The periods that meet `from` to `to`, in order; the first and the last are cut there.
 *
 * @param from - Unix seconds; `to` is exclusive
 */
export function* periodsBetween(zone: Zone, cut: Cut, from: number, to: number): Generator<CalendarPeriod> {
  let wall = beginning(cut, zone.wallAt(from));
  let begins = firstInstant(zone, wall);
  // Where midnight came twice, an instant between the two has the date before it, and is of the day that has begun.
  for (let next = following(cut, wall); firstInstant(zone, next) <= from; next = following(cut, wall)) {
    wall = next;
    begins = firstInstant(zone, wall);
  }
  while (begins < to) {
    const next = following(cut, wall);
    const ends = firstInstant(zone, next);
    const label = new Date(wall * 1000).toISOString().slice(0, cut.unit === "day" || cut.from > 1 ? 10 : 7);
    if (ends > begins) yield { label, from: Math.max(begins, from), to: Math.min(ends, to) };
    [wall, begins] = [next, ends];
  }
}

/** What a text of a day or a time, without an offset or with one, can mean in a zone. */
export type Read = { readonly at: number } | { readonly fault: "malformed" | "skipped" | "ambiguous" };

/**
 * Reads `2026-11`, `2026-11-01` (their beginnings), `2026-11-01T00:00`, `2026-11-01T00:00:00`, in the zone; with an offset or `Z` the zone
 * doesn't matter. Whole seconds only.
 */
export function readInstant(zone: Zone, text: string): Read {
  const match = TEXT.exec(text);
  if (match === null) return { fault: "malformed" };
  const [, year = "", month = "", day = "1", hour, minute, second = "0", offset] = match;
  const wall = wallOf(+year, +month, +day, +(hour ?? 0), +(minute ?? 0), +second);
  if (wall === undefined || +year < 1901 || +year > 2198) return { fault: "malformed" };
  if (offset !== undefined) {
    const offsetS = offsetSeconds(offset);
    return offsetS === undefined ? { fault: "malformed" } : { at: wall - offsetS };
  }
  if (hour === undefined) return { at: startOfDay(zone, wall) };
  const meaning = zone.instantsOf(wall);
  return meaning.kind === "one" ? { at: meaning.at } : { fault: meaning.kind };
}

const TEXT = /^(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?(Z|[+-]\d\d:\d\d)?)?)?$/;

function offsetSeconds(text: string): number | undefined {
  if (text === "Z") return 0;
  const [hours = 0, minutes = 0] = text.slice(1).split(":").map(Number);
  if (hours > 15 || minutes > 59) return undefined;
  return (text.startsWith("-") ? -1 : 1) * (hours * 3600 + minutes * 60);
}

/** An instant as the zone's clocks show it: `2026-10-25T02:30:00+02:00`. */
export function showInstant(zone: Zone, at: number): string {
  const offsetS = zone.offsetAt(at);
  const shown = new Date((at + offsetS) * 1000).toISOString().slice(0, 19);
  const size = Math.abs(offsetS);
  const two = (n: number): string => String(Math.floor(n)).padStart(2, "0");
  const seconds = size % 60 === 0 ? "" : `:${two(size % 60)}`;
  return `${shown}${offsetS < 0 ? "-" : "+"}${two(size / 3600)}:${two((size % 3600) / 60)}${seconds}`;
}

/** The first instant at which the clocks show `midnight` or later. */
function firstInstant(zone: Zone, midnight: number): number {
  const meaning = zone.instantsOf(midnight);
  return meaning.kind === "ambiguous" ? meaning.earlier : meaning.at;
}

/** Midnight at which the period of a wall begins. */
function beginning(cut: Cut, wall: number): number {
  if (cut.unit === "day") return Math.floor(wall / 86_400) * 86_400;
  const date = new Date(wall * 1000);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const here = billingDay(year, month, cut.from);
  return here <= wall ? here : billingDay(year, month - 1, cut.from);
}

function following(cut: Cut, midnight: number): number {
  if (cut.unit === "day") return midnight + 86_400;
  const date = new Date(midnight * 1000);
  return billingDay(date.getUTCFullYear(), date.getUTCMonth() + 1, cut.from);
}

function billingDay(year: number, month: number, day: number): number {
  const lastDay = new Date(Date.UTC(year, month + 1, 0)).getUTCDate();
  return Date.UTC(year, month, Math.min(day, lastDay)) / 1000;
}
