/**
 * What the events of a stream say, taken from the bodies of the facts: shapes that the evidence package has checked when they were parsed.
 *
 * @module
 */
import { toHex, parseDecimal } from "@tallystick/evidence";
import { SECOND_US } from "./moments.ts";
import type { EventRow } from "./view.ts";

type Before =
  "none" | { readonly ch: string; readonly seq: number; readonly hash: string } | { readonly lost: string };

type Digits = { readonly whole: number; readonly fraction: number };
export type Declared = {
  readonly name: string;
  readonly unit: string | null;
  readonly type: "counter" | "gauge" | "text";
  readonly digits: Digits | null;
};

/** The first statement of a chain. */
export type Opening = {
  readonly chain: number;
  readonly before: Before;
  readonly source: string;
  readonly meter: string | null;
  /** As signed, and in microseconds; 0 where samples come as they come. */
  readonly interval: string;
  readonly intervalUs: number;
  readonly names: readonly Declared[];
  readonly kid: Uint8Array;
  /** Its place in the log. */
  readonly idx: number | null;
  readonly us: number | null;
};

/** A gap that is told; `at` is the number of the statement that tells it. */
export type GapEvent = {
  readonly chain: number;
  readonly at: number;
  readonly reason: string;
  readonly count: number;
  /** Numbers that were let go. */
  readonly seq: { readonly first: number; readonly last: number } | null;
  /** True where it stands in its own place: readings were never sealed between the two beside it. */
  readonly own: boolean;
  /** On `sys`: the chain whose numbers these are. */
  readonly of: { readonly sub: string; readonly ch: string } | null;
  readonly time: { readonly fromUs: number; readonly toUs: number } | null;
  readonly us: number | null;
};

export type Register = { readonly name: string; readonly value: string };
export type MeterChange = {
  readonly chain: number;
  readonly seq: number;
  readonly old: string;
  readonly new: string;
  readonly last: readonly Register[];
  readonly first: readonly Register[];
  readonly us: number | null;
};

export const sealedUs = ({ iat, committed }: Pick<EventRow, "iat" | "committed">): number | null => {
  const seconds = iat ?? committed;
  return seconds === null ? null : seconds * SECOND_US;
};

/** Openings that are the first statement of their chain, by chain. */
export function openingsOf(rows: readonly EventRow[]): ReadonlyMap<number, Opening> {
  return new Map(
    rows.flatMap((row) => {
      if (row.seq !== 0) return [];
      const { before, source, meter, interval, names } = JSON.parse(row.body) as {
        before: Before;
        source: string;
        meter?: string;
        interval: string;
        names: readonly Declared[];
      };
      const opening = { chain: row.chain, before, source, meter: meter ?? null, interval, names };
      const { chain, kid, idx } = row;
      return [[chain, { ...opening, intervalUs: micros(interval), kid, idx, us: sealedUs(row) }]];
    }),
  );
}

export function gapsOf(rows: readonly EventRow[]): readonly GapEvent[] {
  return rows.map((row) => {
    const { reason, count, seq, chain, time } = JSON.parse(row.body) as {
      reason: string;
      count: number;
      seq?: { first: number; last: number };
      chain?: { sub: string; ch: string };
      time?: { from: string; to: string };
    };
    return {
      chain: row.chain,
      at: row.seq,
      reason,
      count,
      seq: seq ?? null,
      own: seq === undefined && chain === undefined,
      of: chain ?? null,
      time: time === undefined ? null : { fromUs: micros(time.from), toUs: micros(time.to) },
      us: sealedUs(row),
    };
  });
}

export function meterChangesOf(rows: readonly EventRow[]): readonly MeterChange[] {
  return rows.map((row) => {
    const {
      old,
      new: next,
      last,
      first,
    } = JSON.parse(row.body) as {
      old: string;
      new: string;
      last?: readonly Register[];
      first?: readonly Register[];
    };
    const ends = { last: last ?? [], first: first ?? [] };
    return { chain: row.chain, seq: row.seq, old, new: next, ...ends, us: sealedUs(row) };
  });
}

/** The chain that an opening names as the one before. */
export const namedBefore = ({
  before,
}: Opening): { readonly ch: string; readonly seq: number; readonly hash: string } | undefined =>
  before === "none" || "lost" in before ? undefined : before;

export const lostBefore = ({ before }: Opening): string | undefined =>
  before !== "none" && "lost" in before ? before.lost : undefined;

export const chainKey = (sub: string, ch: Uint8Array | string): string =>
  `${sub} ${typeof ch === "string" ? ch : toHex(ch)}`;

/** Decimal seconds as microseconds, rounded down; the largest number that is exact where there are more. */
export function micros(text: string): number {
  const { mantissa, exponent } = parseDecimal(text);
  const places = exponent + 6;
  const whole =
    places >= 0
      ? mantissa * 10n ** BigInt(places)
      : (mantissa - below(mantissa, places)) / 10n ** BigInt(-places);
  const bound = BigInt(Number.MAX_SAFE_INTEGER);
  return Number(whole > bound ? bound : whole < -bound ? -bound : whole);
}

/** What has to go so that the division comes out even, downwards. */
function below(mantissa: bigint, places: number): bigint {
  const scale = 10n ** BigInt(-places);
  return ((mantissa % scale) + scale) % scale;
}
