/**
 * Times in P1 telegrams: `YYMMDDhhmmss` and S for summer (UTC+2) or W for winter (UTC+1).
 *
 * The letter alone decides. Swedish meters send W all year, so W means +01:00 even in July; and in the hour that clocks
 * run twice in October nothing else could tell the two apart. Without a letter (DSMR 2.2 and 3) a time names no moment.
 *
 * @module
 */

/** What a device says of the time. `text` is as sent. */
export type DeviceTime =
  | { readonly kind: "moment"; readonly text: string; readonly unixS: number }
  | { readonly kind: "no-zone"; readonly text: string }
  | { readonly kind: "invalid"; readonly text: string };

const FORM = /^(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})([SW]?)$/;

/** True for twelve digits with or without a letter, whether or not they name a day that exists. */
export const looksLikeTime = (text: string): boolean => FORM.test(text);

/** Reads a time. Meters without a clock or without their sub-meter send days like 632525252525S: `invalid`. */
export function readTime(text: string): DeviceTime {
  const match = FORM.exec(text);
  if (match === null) return { kind: "invalid", text };
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const local = new Date(Date.UTC(2000 + year, month - 1, day, hour, minute, second));
  const exists =
    local.getUTCMonth() === month - 1 &&
    local.getUTCDate() === day &&
    local.getUTCHours() === hour &&
    local.getUTCMinutes() === minute &&
    local.getUTCSeconds() === second;
  if (!exists) return { kind: "invalid", text };
  const letter = match[7];
  if (letter === "") return { kind: "no-zone", text };
  return { kind: "moment", text, unixS: local.getTime() / 1000 - (letter === "S" ? 7200 : 3600) };
}
