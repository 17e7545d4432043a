/**
 * What a report shows of evidence, as it stands in the facts of a case or a bundle. Everything in it is bounded: the first
 * and last of what is long, and how many there are.
 *
 * @module
 */
import type { Point, Strip } from "./block.ts";

/** Most that a page shows of each; what is beyond is counted. */
export const MAX_STREAMS = 24;
export const MAX_SERIES = 12;
export const MAX_EVENTS = 40;
export const MAX_KEYS = 100;
export const MAX_DOUBTS = 40;

/** `at`: Unix seconds, null where nobody knows. `value`: the digits as they were signed. */
export type ShownReading = {
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
  readonly head: readonly ShownReading[];
  readonly tail: readonly ShownReading[];
  /** Of exact numbers: last less first. */
  readonly difference: string | null;
  readonly points: readonly Point[];
};

export type ShownEvent = {
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
  readonly events: readonly ShownEvent[];
  readonly moreEvents: number;
  /** Statements by claim level, and by the quality of the device's clock. */
  readonly levels: readonly [number, number, number];
  readonly clocks: readonly [number, number, number, number];
  /** Of UTC; none where nothing is established, or no reading has a time. */
  readonly days: Strip["days"];
};

/**
 * A key that signed something here, and how it came to be known. `pin`: the org of the `operator` line in the policy that stands behind it; null where
 * the policy pins none, or another one: then `fault` says why.
 */
export type KeyView = {
  readonly kid: string;
  readonly iss: string;
  readonly statements: number;
  readonly item: number;
  readonly enrolled: number;
  readonly reEnrolled: boolean;
  readonly operators: readonly { readonly iss: string; readonly kid: string }[];
  readonly pin: string | null;
  readonly fault: string | null;
  readonly revoked: number | null;
  readonly superseded: number | null;
  readonly suspect: number | null;
};

/** Statements that prove nothing: what is wrong with them, or missing. */
export type DoubtView = {
  readonly iss: string;
  readonly sub: string;
  readonly seq: number;
  readonly hash: string;
  readonly standing: string;
  readonly code: string;
};

export type EvidenceView = {
  readonly logs: readonly { readonly origin: string; readonly size: number; readonly root: string }[];
  readonly statements: number;
  readonly streams: readonly StreamView[];
  readonly moreStreams: number;
  readonly keys: readonly KeyView[];
  readonly moreKeys: number;
  readonly doubts: readonly DoubtView[];
  readonly moreDoubts: number;
};
