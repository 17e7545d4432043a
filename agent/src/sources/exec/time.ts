/**
 * Times as programs write them.
 *
 * @module
 */
import { Decimal, decimalToNumber, EvidenceError, parseDecimal } from "@tallystick/evidence";

const RFC_3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))$/;

/** Unix seconds of the last moment that programs can write down as a date, in both directions: 100 million days (ECMA-262, time values). */
const MAX_UNIX_S = 8.64e12;

/**
 * Unix seconds: of digits, `1790000000.5`, or of RFC 3339 with its zone, `2026-09-21T16:13:20.5+02:00`, exact to the last digit given. A text
 * without a zone names no moment.
 *
 * @throws EvidenceError `member-range` for anything else, and for a moment that no calendar has
 */
export function parseTime(text: string): Decimal {
  const match = RFC_3339.exec(text);
  if (match === null) return ofDigits(text);
  const [, year = "", month = "", day = "", hour = "", minute = "", second = "", fraction = ""] = match;
  const [sign, zoneHours = "0", zoneMinutes = "0"] = match.slice(8);
  const moment = `${year}-${month}-${day}T${hour}:${minute}:${second}`;
  const atMs = Date.parse(`${moment}Z`);
  // Some parsers make a day of March of the 31st of February: only what comes back unchanged was there.
  const isThere = !Number.isNaN(atMs) && new Date(atMs).toISOString().startsWith(moment);
  if (!isThere || Number(zoneHours) > 23 || Number(zoneMinutes) > 59)
    throw new EvidenceError("member-range", "no such moment");
  const offsetS = (Number(zoneHours) * 60 + Number(zoneMinutes)) * 60 * (sign === "-" ? -1 : 1);
  const seconds = BigInt(atMs / 1000 - offsetS);
  if (fraction === "") return new Decimal(seconds, 0);
  return new Decimal(seconds * 10n ** BigInt(fraction.length) + BigInt(fraction), -fraction.length);
}

function ofDigits(text: string): Decimal {
  const seconds = parseDecimal(text);
  if (Math.abs(decimalToNumber(seconds)) > MAX_UNIX_S)
    throw new EvidenceError("member-range", "no such moment");
  return seconds;
}
