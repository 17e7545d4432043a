/**
 * What a meter sent, laid beside what a ledger holds of it: by name and device time, each exactly once, with the digits of the telegram. The
 * telegrams are read here with a pattern of this file's own: nothing is shared with the agent's reader.
 *
 * @module
 */
import { Decimal, formatDecimal, type Reading } from "@tallystick/evidence";
import { secondOf } from "./agent-book.ts";
import type { CountingMeter } from "./counting-meter.ts";

/** Faults named; a fault repeats itself. */
const MAX_NAMED = 20;

/** What is wrong with `held`, in words; empty where every telegram that surely arrived is there once, and nothing else but whole ones in flight. */
export function accountFaults(meter: CountingMeter, held: readonly Reading[]): readonly string[] {
  const faults: string[] = [];
  const values = new Map<string, string[]>();
  for (const reading of held) {
    const key = `${reading.name} ${secondOf(reading)}`;
    values.set(key, [...(values.get(key) ?? []), valueText(reading)]);
  }
  const sent = new Set<string>();
  for (const { seconds, sure } of meter.connections) {
    let lost: number | undefined;
    for (const [i, second] of seconds.entries()) {
      const expected = expectedReadings(meter.telegrams.get(second) ?? "", second);
      for (const [key] of expected) sent.add(key);
      const present = [...expected].filter(([key]) => key.endsWith(` ${second}`) && values.has(key)).length;
      if (i >= sure && present === 0) {
        lost ??= second;
        continue;
      }
      if (lost !== undefined) faults.push(`${second} is there, and ${lost}, sent before it, is not`);
      for (const [key, value] of expected) {
        const found = values.get(key) ?? [];
        if (found.length !== 1) faults.push(`${key}: ${found.length} times`);
        else if (found[0] !== value) faults.push(`${key}: ${found[0]} in the place of ${value}`);
      }
    }
  }
  for (const key of values.keys()) if (!sent.has(key)) faults.push(`${key}: never sent`);
  return [...new Set(faults)].slice(0, MAX_NAMED);
}

/** Of a telegram: `name seconds` and the value as it has to be held. */
function expectedReadings(telegram: string, second: number): ReadonlyMap<string, string> {
  const expected = new Map<string, string>();
  for (const line of telegram.split("\r\n")) {
    const [, name, groups] = /^(\d+-\d+:\d+\.\d+\.\d+)((?:\([^()]*\))+)$/.exec(line) ?? [];
    if (name === undefined || groups === undefined) continue;
    const [first = "", ...more] = groups.slice(1, -1).split(")(");
    const [second1] = more;
    const ownTime = more.length === 1 ? unixOf(first) : undefined;
    const value = ownTime === undefined ? first : (second1 ?? "");
    const text = more.length > 1 ? groups : numberText(name, value);
    expected.set(`${name} ${ownTime ?? second}`, text);
  }
  return expected;
}

/** Objects without a unit that are counts all the same: C is 32, 52 or 72, or 96 with D 7. */
const COUNT = /^\d+-\d+:(?:(?:32|52|72)\.32|96\.7)\./;

/** A number without its unit and its leading zeros; a text as it is. */
function numberText(name: string, value: string): string {
  const [number = "", unit] = value.split("*");
  return unit === undefined && !COUNT.test(name) ? value : number.replace(/^0+(?=\d)/, "");
}

/** `YYMMDDhhmmssW`, winter time of central Europe. */
function unixOf(text: string): number | undefined {
  const [, year, month, day, hour, minute, second] =
    /^(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)W$/.exec(text) ?? [];
  if (second === undefined) return undefined;
  return Date.parse(`20${year}-${month}-${day}T${hour}:${minute}:${second}+01:00`) / 1000;
}

function valueText({ value }: Reading): string {
  if ("v" in value && value.v instanceof Decimal) return formatDecimal(value.v);
  return "vs" in value ? value.vs : "another kind of value";
}
