/**
 * The city's time: so many days around the night of 2026-10-25, in which clocks in Vienna go from 03:00 back to 02:00. Local time is computed here from that
 * one change, so that it shares nothing with what is tested.
 *
 * @module
 */

export const ZONE = "Europe/Vienna";
/** 03:00 CEST, from then on 02:00 CET. */
export const CLOCK_BACK_UNIX_S = Date.UTC(2026, 9, 25, 1) / 1000;

export const HOUR_S = 3600;
export const QUARTER_S = 900;
const DAY_OF_CHANGE = 25;
/** The city begins so long before its period, and ends so long after it: the ends of the period are ordinary moments. */
export const MARGIN_S = 3 * HOUR_S;

export type Period = { readonly days: number; readonly fromUnixS: number; readonly toUnixS: number };

/** Whole local days, the change's in the middle. @param days - 2 to 48 */
export function periodOf(days: number): Period {
  const first = DAY_OF_CHANGE - Math.floor(days / 2);
  return { days, fromUnixS: localUnixS(first), toUnixS: localUnixS(first + days) };
}

/** A local time of a day of the period, 0 the first; the change's own two hours are nobody's business here. */
export const at = ({ days }: Period, day: number, hour: number): number =>
  localUnixS(DAY_OF_CHANGE - Math.floor(days / 2) + day, hour);

/** @param date - day of October 2026; 32 is the first of November */
function localUnixS(date: number, hour = 0): number {
  const utc = Date.UTC(2026, 9, date, hour) / 1000;
  return utc - 2 * HOUR_S < CLOCK_BACK_UNIX_S ? utc - 2 * HOUR_S : utc - HOUR_S;
}

export const offsetS = (unixS: number): number => (unixS < CLOCK_BACK_UNIX_S ? 2 : 1) * HOUR_S;

export type LocalTime = {
  readonly year: string;
  readonly month: string;
  readonly day: string;
  readonly hour: string;
  readonly minute: string;
  readonly second: string;
};

/** What a clock on the wall shows, in two (the year in four) digits each. */
export function localTime(unixS: number): LocalTime {
  const [year = "", month = "", day = "", hour = "", minute = "", second = ""] = new Date(
    (unixS + offsetS(unixS)) * 1000,
  )
    .toISOString()
    .split(/[-T:.]/);
  return { year, month, day, hour, minute, second };
}
