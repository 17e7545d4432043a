/**
 * From a telegram's lines to values: name, unit, exact number or text, and the time each has of its own.
 *
 * `v` is for whatever has a unit or is a count; ids, indicators, messages and history lists stay text as sent.
 *
 * @module
 */
import { Decimal, isEvidenceError, parseDecimal, type Quality } from "@tallystick/evidence";
import type { Register } from "../source.ts";
import type { Frame } from "./frame.ts";
import { readLines, type ObisCode, type P1Object } from "./lines.ts";
import { isCount, isCounter, isHistory, isMbusProfile, isTelegramTime, meterId, unitOf } from "./objects.ts";
import { looksLikeTime, readTime, type DeviceTime } from "./time.ts";

export type P1Value = {
  readonly register: Register;
  readonly value: { readonly v: Decimal } | { readonly vs: string };
  /** The value's own time; without one it is of the telegram's. */
  readonly time?: DeviceTime;
  /** The device itself says that this isn't a value: a time that doesn't exist, dashes for digits. */
  readonly faulty: boolean;
};

export type Telegram = {
  /** The meter's own id, as sent. */
  readonly meter: string;
  /** Time of the telegram; absent in DSMR 2.2 and 3. */
  readonly time?: DeviceTime;
  readonly values: readonly P1Value[];
  /** What holds for every value: `no-checksum`, or nothing. */
  readonly quality: readonly Quality[];
};

/** @throws EvidenceError `p1-malformed` with the line, where the telegram is not made of objects */
export function readTelegram({ bytes, checked }: Frame): Telegram {
  const { identification, objects } = readLines(bytes);
  const clock = objects.find(({ code }) => isTelegramTime(code))?.values;
  const time = clock?.length === 1 ? readTime(clock[0] ?? "") : undefined;
  return {
    meter: meterId(identification, objects),
    ...(time === undefined || time.kind === "invalid" ? {} : { time }),
    values: objects.flatMap(readObject),
    quality: checked ? [] : ["no-checksum"],
  };
}

function readObject(object: P1Object): readonly P1Value[] {
  const { name, code, values } = object;
  if (isMbusProfile(code)) return readMbusProfile(values) ?? [text(name, asSent(values))];
  if (isHistory(code)) return [text(name, asSent(values))];
  const [first = "", second] = values;
  if (values.length === 1) {
    const faulty = isTelegramTime(code) && readTime(first).kind === "invalid";
    return [faulty ? { ...text(name, first), faulty } : readValue(name, code, first)];
  }
  // e.g. an M-Bus value or the peak of the month, with the time at which it was taken
  if (values.length === 2 && second !== undefined && looksLikeTime(first)) {
    return [withTime(readValue(name, code, second), readTime(first))];
  }
  return [text(name, asSent(values))];
}

/**
 * The hourly profile of a sub-meter in DSMR 2.2 and 3: `0-1:24.3.0(time)(status)(minutes)(n)` and then n times object and
 * unit, and n values. Each value is named by its object within.
 */
function readMbusProfile([time = "", , , count = "", ...rest]: readonly string[]):
  readonly P1Value[] | undefined {
  const n = /^[1-9]$/.test(count) ? Number(count) : 0;
  if (n === 0 || rest.length !== 3 * n || !looksLikeTime(time)) return undefined;
  const names = rest.slice(0, 2 * n).filter((_, index) => index % 2 === 0);
  const parts = names.map((name) => /^0-(\d{1,2}):24\.2\.(\d{1,2})$/.exec(name));
  if (parts.includes(null)) return undefined;
  return names.map((name, index) => {
    const [, b, e] = parts[index] ?? [];
    const code = { a: 0, b: Number(b), c: 24, d: 2, e: Number(e) };
    const unit = rest[2 * index + 1] ?? "";
    return withTime(readValue(name, code, `${rest[2 * n + index] ?? ""}*${unit}`), readTime(time));
  });
}

const withTime = (value: P1Value, time: DeviceTime): P1Value => ({
  ...value,
  time,
  faulty: value.faulty || time.kind === "invalid",
});

/** `002.027*kW`, a count, or text. */
function readValue(name: string, code: ObisCode, content: string): P1Value {
  const star = content.lastIndexOf("*");
  const unit = star === -1 ? undefined : unitOf(content.slice(star + 1));
  const count = star === -1 && isCount(code);
  if (unit === undefined && !count) return text(name, content);
  const digits = star === -1 ? content : content.slice(0, star);
  const number = readNumber(digits, unit?.exponent ?? 0);
  if (number === undefined) return { ...text(name, content), faulty: true };
  return {
    register: {
      name,
      unit: unit?.unit ?? null,
      type: isCounter(code) ? "counter" : "gauge",
      digits: widths(digits, unit?.exponent ?? 0),
    },
    value: { v: number },
    faulty: false,
  };
}

function readNumber(digits: string, exponent: number): Decimal | undefined {
  try {
    const sent = parseDecimal(digits);
    return exponent === 0 ? sent : new Decimal(sent.mantissa, sent.exponent + exponent);
  } catch (error) {
    if (isEvidenceError(error)) return undefined; // dashes, blanks, or more digits than any register has
    throw error;
  }
}

/** Digits before and after the point as printed, in the unit of the reading. */
function widths(digits: string, exponent: number): { whole: number; fraction: number } {
  const [whole = "", fraction = ""] = digits.replace(/^[+-]/, "").split(".");
  return { whole: Math.max(whole.length + exponent, 0), fraction: Math.max(fraction.length - exponent, 0) };
}

const text = (name: string, content: string): P1Value => ({
  register: { name, unit: null, type: "text", digits: null },
  value: { vs: content },
  faulty: false,
});

const asSent = (values: readonly string[]): string =>
  values.length === 1 ? (values[0] ?? "") : values.map((value) => `(${value})`).join("");
