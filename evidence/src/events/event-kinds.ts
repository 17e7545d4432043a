/**
 * Events: what happened to a device, a stream or a vehicle, as one deterministic CBOR map with a `kind`. This file says what each kind
 * holds; `event-shapes.ts` says how each member is written, `event.ts` does it.
 *
 * @module
 */
import type { Decimal } from "../decimal.ts";
import type { PublicKey } from "../keys/keys.ts";

/** A statement named from outside its chain: the newest of (sub, ch), at `seq`, whose bytes have `hash`. */
export type Head = {
  readonly sub: string;
  readonly ch: Uint8Array;
  readonly seq: number;
  readonly hash: Uint8Array;
};

/** Clock when something was sealed: 0 unknown, 1 unsynchronised, 2 NTP or PTP, 3 GNSS or authenticated. */
export type TimeQuality = 0 | 1 | 2 | 3;

/** The chain before, in this stream: none, its last admitted statement, or lost for a stated reason. */
export type Before =
  | "none"
  | { readonly ch: Uint8Array; readonly seq: number; readonly hash: Uint8Array }
  | { readonly lost: string };

/** A name that readings of a stream will have. `digits`: whole and fractional places of a register. */
export type DeclaredName = {
  readonly name: string;
  readonly unit: string | null;
  readonly type: "counter" | "gauge" | "text";
  readonly digits: { readonly whole: number; readonly fraction: number } | null;
};

/** First statement of a chain. `source` is the kind of source (`p1`, `host`, `sys`), `meter` the meter's own id. */
export type StreamOpened = {
  readonly kind: "stream-opened";
  readonly before: Before;
  readonly source: string;
  readonly meter?: string;
  /** Seconds expected between readings; 0 when they come as they come. */
  readonly interval: Decimal;
  readonly names: readonly DeclaredName[];
};

/** Heads of the device's other streams; `all`: every one of them, over all parts. */
export type Heads = {
  readonly kind: "heads";
  readonly all: boolean;
  readonly heads: readonly Head[];
  /** Part i of n, i from 1, n from 2. */
  readonly part?: { readonly i: number; readonly n: number };
};

/** A start of the agent. `boot` is a random id of it; `alive` the last moment known alive before; `uptime` the machine's, seconds. */
export type Boot = {
  readonly kind: "boot";
  readonly version: string;
  readonly boot: Uint8Array;
  readonly alive?: number;
  readonly uptime?: Decimal;
};

/** Something is missing and the signer says so: statements dropped after sealing (`seq`), readings never sealed (`time`), or both. */
export type Gap = {
  readonly kind: "gap";
  readonly reason: string;
  /** How many readings or statements; 0 where nobody knows. */
  readonly count: number;
  readonly seq?: { readonly first: number; readonly last: number };
  /** Whose numbers `seq` are: a chain that has ended and takes no more statements, told of on `sys`. Absent: the gap's own chain. */
  readonly chain?: { readonly sub: string; readonly ch: Uint8Array };
  readonly time?: { readonly from: Decimal; readonly to: Decimal };
};

/** The clock jumped: times before and after, `uptime` the monotonic seconds at the step. */
export type ClockStep = {
  readonly kind: "clock-step";
  readonly before: Decimal;
  readonly after: Decimal;
  readonly uptime: Decimal;
  readonly tq: TimeQuality;
};

export type StreamClosed = { readonly kind: "stream-closed"; readonly reason: string };

export type Register = { readonly name: string; readonly value: Decimal };

/** Another meter: the last registers of the old, the first of the new. */
export type MeterChanged = {
  readonly kind: "meter-changed";
  readonly old: string;
  readonly new: string;
  readonly last?: readonly Register[];
  readonly first?: readonly Register[];
};

/** `hash` is the SHA-256 of the configuration file. */
export type ConfigChanged = { readonly kind: "config-changed"; readonly hash: Uint8Array };

/** On `sys`, signed by the old key: the new key, and the last statements that the old one signed. */
export type KeyRotated = {
  readonly kind: "key-rotated";
  readonly key: PublicKey;
  readonly heads: readonly Head[];
};

/** The log refused a statement; `sub` where it is not of this stream. `code` is the log's word. */
export type Refused = {
  readonly kind: "refused";
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly code: string;
  readonly sub?: string;
};

export type Access = {
  readonly kind: "access";
  readonly who: string;
  readonly what: string;
  readonly purpose: string;
};

/** The statement of this hash was erased from an archive, by that order. */
export type Erased = { readonly kind: "erased"; readonly hash: Uint8Array; readonly order: string };

/** `minor` units of the currency, an ISO 4217 code of three letters. */
export type Amount = { readonly minor: number; readonly currency: string; readonly tariff: string };

/** One passage. `tag` and `plate` are salted commitments, never the thing itself; `refs` the hashes of reads and frames. */
export type TollTransaction = {
  readonly kind: "toll-transaction";
  readonly tx: string;
  readonly plaza: string;
  readonly lane: string;
  readonly t: Decimal;
  readonly direction: string;
  readonly class: { readonly measured: number | null; readonly declared: number | null };
  readonly tag?: Uint8Array;
  readonly plate?: Uint8Array;
  readonly validity: string;
  readonly amount?: Amount;
  readonly refs: readonly Uint8Array[];
  readonly supersedes?: Uint8Array;
};

/** Corrects the amount of the transaction whose statement has the hash `ref`. */
export type TollAdjustment = {
  readonly kind: "toll-adjustment";
  readonly ref: Uint8Array;
  readonly reason: string;
  readonly amount: Amount;
  readonly supersedes?: Uint8Array;
};

/**
 * A record of a back office: an invoice, a charge, a refund, a permit, a certificate. Its content stays where it is; `hash` is the document's. `type` is the
 * back office's own word, `id` the record's number there, `t` the Unix time it is of, `refs` the statements that it rests on.
 */
export type Ref = {
  readonly kind: "ref";
  readonly id: string;
  readonly type: string;
  readonly t: Decimal;
  readonly hash?: Uint8Array;
  readonly amount?: Amount;
  /** At least one, where there are any. */
  readonly refs?: readonly Uint8Array[];
  /** Hash of the statement in whose place this one is. */
  readonly supersedes?: Uint8Array;
};

export type Event =
  | StreamOpened
  | Heads
  | Boot
  | Gap
  | ClockStep
  | StreamClosed
  | MeterChanged
  | ConfigChanged
  | KeyRotated
  | Refused
  | Access
  | Erased
  | TollTransaction
  | TollAdjustment
  | Ref;

export type EventKind = Event["kind"];
/** The event of one kind. */
export type EventOf<K extends EventKind> = Extract<Event, { kind: K }>;
