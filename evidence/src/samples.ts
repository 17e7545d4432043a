/**
 * Samples: the readings of one stream that were taken together, and the moment that stands for them. Coverage counts moments, never values: a
 * register that a sub-meter tells once an hour is no hole in the minutes between.
 *
 * @module
 */
import { MAX_EXPONENT, type Decimal } from "./decimal.ts";
import { decodePack } from "./pack-read.ts";
import type { Reading } from "./reading.ts";
import type { Statement } from "./statement.ts";

/** A time as a whole number of 10^-32 seconds: exact for every decimal there is, and never too large. */
export type Moment = bigint;

export type Sample = {
  /** The newest time that it carries, Unix seconds. */
  readonly at: Decimal;
  readonly moment: Moment;
  /** Whose time that is. */
  readonly clock: "device" | "gateway";
};

export const momentOf = ({ mantissa, exponent }: Decimal): Moment =>
  mantissa * 10n ** BigInt(exponent + MAX_EXPONENT);

/** The samples of a statement, in its order; `untimed` counts those that carry no time. An event has none. */
export function samplesOf({ claims, content }: Pick<Statement, "claims" | "content">): {
  readonly samples: readonly Sample[];
  readonly untimed: number;
} {
  if (content.type !== "senml") return { samples: [], untimed: 0 };
  const readings = decodePack(content.payload, `${claims.iss}/${claims.sub}/`);
  const timed = readings.flatMap(({ time, received }) =>
    time === null ? [] : [{ at: time, moment: momentOf(time), received }],
  );
  // What arrived together was taken together; without a time of arrival, the time is the gateway's own.
  const groups = Map.groupBy(timed, ({ received, at }) => momentOf(received ?? at));
  const samples = [...groups.values()].map((group): Sample => {
    const { at, moment } = group.reduce((a, b) => (a.moment < b.moment ? b : a));
    const isDevice = group.every(({ received }) => received !== undefined);
    return { at, moment, clock: isDevice ? "device" : "gateway" };
  });
  return { samples, untimed: untimedOf(readings) };
}

/**
 * How many samples are missing between two that are `elapsed` apart where one is expected each `interval`, to the nearest: 0 where the
 * second is the one that was due next.
 */
export function samplesWithin(elapsed: Moment, interval: Moment): number {
  const missing = (2n * elapsed + interval) / (2n * interval) - 1n;
  return missing <= 0n ? 0 : Number(missing < MAX_COUNT ? missing : MAX_COUNT);
}

const MAX_COUNT = BigInt(Number.MAX_SAFE_INTEGER);

/** Of readings without a time each says so for itself: there were as many samples as the most frequent name has readings. */
function untimedOf(readings: readonly Reading[]): number {
  const counts = new Map<string, number>();
  for (const { name, time } of readings) if (time === null) counts.set(name, (counts.get(name) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}
