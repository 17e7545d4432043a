/**
 * What a report shows of evidence, wherever it was read: out of a bundle, or out of the facts of a case. Everything in it is bounded: the first
 * and last of what is long, and how many there are.
 *
 * @module
 */
import type { DayState, Point } from "./block.ts";

/** Most that a page shows of each; what is beyond is counted. */
export const MAX_STREAMS = 24;
export const MAX_SERIES = 12;
export const MAX_EVENTS = 40;
export const MAX_KEYS = 100;
export const MAX_DAYS = 372;

/** `at`: Unix seconds, null where nobody knows. `value`: the digits as they were signed. */
export type ReadingRow = {
  readonly at: number | null;
  readonly value: string;
  readonly quality: string;
  readonly seq: number;
};

/** All readings of one name in one stream; `head` and `tail` don't overlap. */
export type Series = {
  readonly name: string;
  readonly unit: string;
  readonly count: number;
  readonly head: readonly ReadingRow[];
  readonly tail: readonly ReadingRow[];
  /** Of exact numbers: last less first. */
  readonly difference: string | null;
  readonly points: readonly Point[];
};

export type EventRow = {
  readonly at: number | null;
  readonly kind: string;
  readonly detail: string;
  readonly seq: number;
};

/** `isClaimed`: somebody says that it is complete from `from` to `to`; `missing`: closed ranges within. Bounds in Unix seconds, null where nothing shows them. */
export type ChainView = {
  readonly ch: string;
  readonly from: number;
  readonly to: number;
  readonly held: number;
  readonly isClaimed: boolean;
  readonly missing: readonly { readonly from: number; readonly to: number }[];
  readonly attested: boolean;
  readonly notBefore: number | null;
  readonly notAfter: number | null;
  readonly sealed: { readonly first: number; readonly last: number } | null;
};

export type StreamView = {
  readonly iss: string;
  readonly sub: string;
  readonly statements: number;
  readonly chains: readonly ChainView[];
  readonly series: readonly Series[];
  readonly moreSeries: number;
  readonly events: readonly EventRow[];
  readonly moreEvents: number;
  /** Statements by claim level, and by the quality of the device's clock. */
  readonly levels: readonly [number, number, number];
  readonly clocks: readonly [number, number, number, number];
  readonly days: readonly { readonly day: string; readonly state: DayState }[];
};

/** A key that signed something here, and how it came to be known. `pin`: whose `operator` line of the policy it leads to. */
export type KeyView = {
  readonly kid: string;
  readonly algorithm: string;
  readonly iss: string;
  readonly statements: number;
  readonly item: number;
  readonly enrolled: number;
  readonly byRotation: boolean;
  readonly operators: readonly { readonly iss: string; readonly kid: string }[];
  readonly pin: string | null;
  readonly revoked: number | null;
  readonly superseded: number | null;
  readonly suspect: number | null;
};

export type EvidenceView = {
  readonly logs: readonly { readonly origin: string; readonly size: number; readonly root: string }[];
  readonly statements: number;
  readonly streams: readonly StreamView[];
  readonly moreStreams: number;
  readonly keys: readonly KeyView[];
  readonly moreKeys: number;
};
