/**
 * From a telegram's values to readings: which time each one has, and what is known against it.
 *
 * @module
 */
import { decimal, QUALITIES, type Decimal, type Quality, type Reading } from "@tallystick/evidence";
import type { Clock } from "../../clock/clock.ts";
import type { Observation } from "../source.ts";
import type { P1Value, Telegram } from "./telegram.ts";

/** How far a device's clock may run ahead of the gateway's before its times are marked `future`. */
const FUTURE_S = 3600;

/**
 * The readings of a telegram by themselves, as `decode` shows them: a reading without own time takes the telegram's; where
 * that is missing or names no zone, the time is null.
 */
export function readingsOf(telegram: Telegram): Reading[] {
  return telegram.values.map((value) => {
    const time = value.time ?? telegram.time;
    const quality = new Set(qualityOf(telegram, value));
    return reading(value, time?.kind === "moment" ? decimal(time.unixS) : null, quality);
  });
}

/**
 * The readings of a telegram that has just arrived. Where the device's time names no moment, the time is the gateway's;
 * where it does, the moment of arrival is noted beside it. While the gateway does not know the time of day, it writes down
 * neither.
 */
export function observe(telegram: Telegram, clock: Clock, raw?: Uint8Array): Observation {
  const { timeUnixMs, tq } = clock.now();
  const arrival = tq === 0 ? null : decimal(timeUnixMs, -3);
  const stamps = new Map<string, string>();
  const readings = telegram.values.map((value) => {
    const time = value.time ?? telegram.time;
    const quality = new Set(qualityOf(telegram, value));
    if (time?.kind !== "moment") {
      if (time !== undefined) stamps.set(value.register.name, time.text);
      return reading(value, arrival, quality.add("gateway-time"));
    }
    if (tq >= 2 && time.unixS - timeUnixMs / 1000 > FUTURE_S) quality.add("future");
    const own = reading(value, decimal(time.unixS), quality);
    return arrival === null ? own : { ...own, received: arrival };
  });
  return {
    readings,
    // A register that shows dashes for once has not become another register.
    registers: telegram.values.filter(({ faulty }) => !faulty).map(({ register }) => register),
    meter: telegram.meter,
    ...(telegram.time?.kind === "moment" ? { deviceTime: decimal(telegram.time.unixS) } : {}),
    receivedUnixMs: timeUnixMs,
    ...(stamps.size === 0 ? {} : { stamps }),
    ...(raw === undefined ? {} : { raw }),
  };
}

function* qualityOf(telegram: Telegram, value: P1Value): Generator<Quality, void, undefined> {
  yield* telegram.quality;
  if ((value.time ?? telegram.time)?.kind === "no-zone") yield "no-zone";
  if (value.faulty) yield "device-error";
}

const reading = (
  { register: { name, unit }, value }: P1Value,
  time: Decimal | null,
  quality: ReadonlySet<Quality>,
): Reading => ({
  name,
  ...(unit === null ? {} : { unit }),
  value,
  time,
  quality: QUALITIES.filter((one) => quality.has(one)),
});
