/**
 * A reading: one measured value with its name, unit, time and quality. Packs of them (SenML, RFC 8428) are written by `pack-write.ts`
 * and read by `pack-read.ts`; this file holds what both share.
 *
 * @module
 */
import type { Float } from "../cbor.ts";
import type { Decimal } from "../decimal.ts";

/**
 * What is known against a reading, in the one order in which it is written:
 * `no-checksum` the frame has none · `no-zone` the device's time names no zone · `gateway-time` the time is the gateway's ·
 * `estimated`, `device-error` the device says so · `conflict` another value for the same name and time was seen ·
 * `future` the device's time lies ahead of the gateway's · `backfill` read later from the device's memory.
 */
export const QUALITIES = [
  "no-checksum",
  "no-zone",
  "gateway-time",
  "estimated",
  "device-error",
  "conflict",
  "future",
  "backfill",
] as const;
export type Quality = (typeof QUALITIES)[number];

/** A number as measured: exact, or for a physical sensor only, a binary float. A whole float is written and read as a decimal. */
export type Measured = Decimal | Float;

/** Exactly one of: number, text, truth, bytes, or a sum over time (`s`, RFC 8428 section 4.2). */
export type ReadingValue =
  | { readonly v: Measured }
  | { readonly vs: string }
  | { readonly vb: boolean }
  | { readonly vd: Uint8Array }
  | { readonly s: Measured };

export type Reading = {
  /** Local name, without the base name `iss/sub/`: `1-0:1.8.0`. Only `A-Z a-z 0-9 - : . / _`. */
  readonly name: string;
  /** A unit of the SenML registries; absent where the value has none. */
  readonly unit?: string;
  readonly value: ReadingValue;
  /** Unix seconds, UTC; null where nobody knows, which only a statement of `tq` 0 may say. */
  readonly time: Decimal | null;
  /** In the order of {@link QUALITIES}, none twice. */
  readonly quality: readonly Quality[];
  /** When the gateway received it, Unix seconds; where `time` is the device's own. */
  readonly received?: Decimal;
  /** SenML update time: seconds within which the sensor will say something new. */
  readonly updateTime?: Decimal;
};

/** Name of the record that carries the frame as received; its value is `vd`. */
export const RAW_NAME = "raw";

/** Below 2^28 a SenML time is relative to now (RFC 8428 section 4.5.3), and so never evidence. */
export const FIRST_ABSOLUTE_TIME = 2 ** 28;

/** `bver`: 10 is RFC 8428; 26 adds the feature "secondary units" (RFC 9100). */
export const BASE_VERSION = 10;
export const SECONDARY_UNITS_VERSION = 26;

/** CBOR labels of SenML (RFC 8428 table 4); `q` and `rx` are our extensions. */
export const LABEL = {
  bver: -1,
  bn: -2,
  bt: -3,
  bu: -4,
  bv: -5,
  bs: -6,
  n: 0,
  u: 1,
  v: 2,
  vs: 3,
  vb: 4,
  s: 5,
  t: 6,
  ut: 7,
  vd: 8,
  q: "q",
  rx: "rx",
} as const;
