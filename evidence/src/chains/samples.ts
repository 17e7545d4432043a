/**
 * Samples: the readings of one stream that were taken together, and the moment that stands for them. Coverage counts moments, never values: a
 * register that a sub-meter tells once an hour is no hole in the minutes between.
 *
 * @module
 */
import { MAX_EXPONENT, type Decimal } from "../decimal.ts";
import { decodePack } from "../readings/pack-read.ts";
import type { Reading } from "../readings/reading.ts";
import type { Statement } from "../statement/statement.ts";

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
  const timed = readings.flatMap(({ name, time, received }): Timed[] =>
    time === null ? [] : [{ name, at: time, moment: momentOf(time), received }],
  );
  // What arrived together was taken together; without a time of arrival, the time is the gateway's own.
  const arrivals = Map.groupBy(timed, ({ received, at }) => momentOf(received ?? at));
  return {
    samples: [...arrivals.values()].flatMap((together) => samplesTogether(together)),
    untimed: untimedOf(readings),
  };
}

type Timed = {
  readonly name: string;
  readonly at: Decimal;
  readonly moment: Moment;
  readonly received: Decimal | undefined;
};

/** One sample, or several that waited in a socket and were read at one moment: then a name comes as often as there are. */
function samplesTogether(together: readonly Timed[]): readonly Sample[] {
  const clock = together.every(({ received }) => received !== undefined) ? "device" : "gateway";
  let chosen: readonly Timed[] = [];
  for (const named of Map.groupBy(together, ({ name }) => name).values()) {
    const isMore = named.length > chosen.length;
    if (isMore || (named.length === chosen.length && newestOf(named) > newestOf(chosen))) chosen = named;
  }
  return chosen.map(({ at, moment }) => ({ at, moment, clock }));
}

const newestOf = (some: readonly Timed[]): Moment =>
  some.reduce((newest, { moment }) => (moment > newest ? moment : newest), some[0]?.moment ?? 0n);

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
