/**
 * Consumption between two readings of a register: step by step over all proven readings between, so that a rollover, a change of the meter
 * and a register that runs backwards are each seen where they happened.
 *
 * @module
 */

/** A place in a stream: chain by chain in the order in which they follow one another, then by number. */
type Place = { readonly chain: number; readonly seq: number };

/** A register as it stood; `digits` x 10^-`places` of all values of one walk are the same. */
export type RegisterReading = Place & {
  readonly t: number;
  readonly digits: bigint;
  readonly statement: number;
};

/** What happened to the meter, with the register's last value of the old one and first of the new one where the event has both. */
export type MeterChange = Place & {
  readonly statement: number;
  readonly last: bigint | undefined;
  readonly first: bigint | undefined;
  /** Another meter opened the stream, and no event told of the change. */
  readonly untold: boolean;
};

export type Walked =
  | {
      readonly digits: bigint;
      readonly statements: readonly number[];
      /** It ran backwards somewhere: the sum is what the ends say, and no proof of what was used. */
      readonly backwards: boolean;
    }
  | { readonly fault: "meter-change-without-registers" | "meter-change-untold" };

const before = (a: Place, b: Place): boolean => a.chain < b.chain || (a.chain === b.chain && a.seq < b.seq);

/**
 * Sums up the steps from the first reading to the last.
 *
 * @param readings - by time, both ends among them
 * @param changes - by place
 * @param width - value at which the register begins again, where it is declared and counting on is allowed
 */
export function walk(
  readings: readonly RegisterReading[],
  changes: readonly MeterChange[],
  width: bigint | undefined,
): Walked {
  const [first] = readings;
  const last = readings.at(-1);
  if (first === undefined || last === undefined) return { digits: 0n, statements: [], backwards: false };
  const statements = new Set([first.statement]);
  let sum = 0n;
  let backwards = false;
  const step = (from: bigint, to: bigint): void => {
    const counted = stepOf(from, to, width);
    sum += counted ?? to - from;
    backwards ||= counted === undefined;
  };
  for (const [i, reading] of readings.entries()) {
    const previous = readings[i - 1];
    if (previous === undefined) continue;
    let from = previous.digits;
    for (const change of changes) {
      if (!before(previous, change) || !before(change, reading)) continue;
      if (change.untold) return { fault: "meter-change-untold" };
      if (change.last === undefined || change.first === undefined)
        return { fault: "meter-change-without-registers" };
      step(from, change.last);
      from = change.first;
      statements.add(change.statement);
    }
    step(from, reading.digits);
    if (reading.digits < from) statements.add(previous.statement).add(reading.statement);
  }
  statements.add(last.statement);
  return { digits: sum, statements: [...statements], backwards };
}

/** A fall by more than half of the width is a rollover: nobody uses half a register between two readings. */
function stepOf(from: bigint, to: bigint, width: bigint | undefined): bigint | undefined {
  if (to >= from) return to - from;
  if (width === undefined || from >= width) return undefined;
  const step = to + width - from;
  return step * 2n < width ? step : undefined;
}
