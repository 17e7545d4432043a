/**
 * Times of an export as instants: a pattern, and the zone of the clock that wrote them.
 *
 * @module
 */
import { startOfDay, wallOf } from "../../calendar.ts";
import { Zone } from "../../zone.ts";
import type { CsvSettings } from "../map/schema.ts";

/** An instant in microseconds; or what is wrong with the text, and what to do. */
type TimeRead = { readonly us: number } | { readonly fault: string };
/** `dayAfter`: a bare date is a last day, and its end is meant. */
type TimeReader = (text: string, dayAfter?: boolean) => TimeRead;

/** Tokens of a pattern, what they match, and what they stand for. */
const TOKENS: readonly (readonly [token: string, pattern: string, part: Part])[] = [
  ["YYYY", String.raw`\d{4}`, "year"],
  ["YY", String.raw`\d{2}`, "shortYear"],
  ["MM", String.raw`\d{2}`, "month"],
  ["M", String.raw`\d{1,2}`, "month"],
  ["DD", String.raw`\d{2}`, "day"],
  ["D", String.raw`\d{1,2}`, "day"],
  ["HH", String.raw`\d{2}`, "hour"],
  ["H", String.raw`\d{1,2}`, "hour"],
  ["hh", String.raw`\d{2}`, "hour12"],
  ["h", String.raw`\d{1,2}`, "hour12"],
  ["mm", String.raw`\d{2}`, "minute"],
  ["ss", String.raw`\d{2}`, "second"],
  ["SSS", String.raw`\d{1,9}`, "fraction"],
  ["a", "[AaPp]\\.?[Mm]\\.?", "half"],
  ["Z", String.raw`Z|[+-]\d{2}:?\d{2}`, "offset"],
];
type Part =
  | "year"
  | "shortYear"
  | "month"
  | "day"
  | "hour"
  | "hour12"
  | "minute"
  | "second"
  | "fraction"
  | "half"
  | "offset";

const ISO =
  /^(?<year>\d{4})-?(?<month>\d{2})-?(?<day>\d{2})(?:[T ](?<hour>\d{2}):?(?<minute>\d{2})(?::?(?<second>\d{2})(?:[.,](?<fraction>\d{1,9}))?)?\s?(?<offset>Z|[+-]\d{2}(?::?\d{2})?)?)?$/;
const DATE_TIME = /^(?<year>\d{4})/;

/** Undefined where a pattern has nothing to read, or no year, month and day. */
export function compilePattern(pattern: string): RegExp | undefined {
  if (pattern === "ISO") return ISO;
  const seen = new Set<Part>();
  let source = "";
  for (let at = 0; at < pattern.length;) {
    const found = TOKENS.find(([token]) => pattern.startsWith(token, at));
    if (found === undefined) {
      source += (pattern[at] ?? "").replace(/[.*+?^${}()|[\]\\/]/, String.raw`\$&`);
      at++;
      continue;
    }
    const [token, expression, part] = found;
    if (seen.has(part)) return undefined;
    seen.add(part);
    source += `(?<${part}>${expression})`;
    at += token.length;
  }
  const dated = (seen.has("year") || seen.has("shortYear")) && seen.has("month") && seen.has("day");
  return dated ? new RegExp(`^${source}$`, "u") : undefined;
}

/** Zones are known so far. */
const END_US = Date.UTC(2199, 0, 1) * 1000;
const EPOCH_US: Readonly<Record<string, number>> = { "epoch-s": 1_000_000, "epoch-ms": 1_000 };

type Settings = Pick<CsvSettings, "time" | "zone" | "ambiguous">;

/**
 * Makes the reader of one export. It remembers whether times of it had offsets: an export that mixes both is refused.
 *
 * @throws EvidenceError `name-malformed` for an unknown zone; RangeError for a pattern without a date
 */
export function timeReader({ time, zone: zoneName, ambiguous }: Settings): TimeReader {
  const unitUs = EPOCH_US[time];
  if (unitUs !== undefined) return epochReader(unitUs);
  const pattern = compilePattern(time);
  if (pattern === undefined) {
    throw new RangeError(
      `csv.time: ${time}: give a pattern with YYYY, MM and DD, each once, or ISO, epoch-s, epoch-ms`,
    );
  }
  const zone = zoneName === "offset" ? undefined : new Zone(zoneName);
  const malformed = `is no time as csv.time has it (${time})`;
  return (text, dayAfter = false) => {
    const groups = pattern.exec(text)?.groups as Partial<Record<Part, string>> | undefined;
    if (groups === undefined) return { fault: otherForm(malformed, text) };
    const wall = wallFrom(groups);
    if (wall === undefined) return { fault: "is no date of the calendar, or no time of day" };
    const fractionUs = Number((groups.fraction ?? "").padEnd(6, "0").slice(0, 6));
    const date = groups.hour === undefined && groups.hour12 === undefined;
    const { offset } = groups;
    if (offset !== undefined) {
      if (zone !== undefined)
        return {
          fault: `mixed zones: this time has an offset (${offset}), and the map says ${zoneName}; set csv.zone: offset where all times have one`,
        };
      const offsetS = offsetSeconds(offset);
      if (offsetS === undefined) return { fault: `${offset} is no offset from UTC` };
      return { us: (wall - offsetS) * 1_000_000 + fractionUs };
    }
    if (zone === undefined)
      return {
        fault:
          "mixed zones: this time has no offset, and the map says csv.zone: offset; give the zone where no time has one",
      };
    if (date) return { us: startOfDay(zone, dayAfter ? wall + 86_400 : wall) * 1_000_000 };
    const meaning = zone.instantsOf(wall);
    if (meaning.kind === "one") return { us: meaning.at * 1_000_000 + fractionUs };
    if (meaning.kind === "skipped")
      return {
        fault: `no clock in ${zoneName} showed this time: it was set forward over it; check csv.zone`,
      };
    if (ambiguous === "refuse")
      return {
        fault: `the clocks in ${zoneName} showed this time twice; export times with their offset, or set csv.ambiguous to earlier or later`,
      };
    return { us: meaning[ambiguous] * 1_000_000 + fractionUs };
  };
}

/** What a text of another form most often is. */
const otherForm = (malformed: string, text: string): string =>
  DATE_TIME.test(text) && ISO.test(text)
    ? `${malformed}; it looks like csv.time: ISO`
    : `${malformed}; set csv.time`;

const epochReader =
  (unitUs: number): TimeReader =>
  (text) => {
    const match = /^(\d{1,15})(?:\.(\d{1,9}))?$/.exec(text);
    if (match === null) return { fault: "is no number of seconds or milliseconds since 1970; set csv.time" };
    const us = Number(match[1]) * unitUs + Math.floor(Number(`0.${match[2] ?? "0"}`) * unitUs);
    return us < END_US ? { us } : { fault: "is beyond the year 2198; set csv.time" };
  };

function wallFrom(groups: Partial<Record<Part, string>>): number | undefined {
  const { year, shortYear, month = "", day = "", hour, hour12, half, minute, second } = groups;
  let hours = Number(hour ?? 0);
  if (hour12 !== undefined) {
    const twelve = Number(hour12);
    if (twelve < 1 || twelve > 12) return undefined;
    hours = (twelve % 12) + (/^p/i.test(half ?? "") ? 12 : 0);
  }
  const years = year === undefined ? 2000 + Number(shortYear) : Number(year);
  if (years < 1901 || years > 2198) return undefined;
  return wallOf(years, Number(month), Number(day), hours, Number(minute ?? 0), Number(second ?? 0));
}

function offsetSeconds(text: string): number | undefined {
  if (text === "Z") return 0;
  const [hours, minutes] = [Number(text.slice(1, 3)), Number(text.slice(3).replace(":", "") || "0")];
  if (hours > 15 || minutes > 59) return undefined;
  return (text.startsWith("-") ? -1 : 1) * (hours * 3600 + minutes * 60);
}
