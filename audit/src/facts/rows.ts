/**
 * The rows of the facts as their readers see them, and how a statement becomes some.
 *
 * @module
 */
import {
  Decimal,
  decodeEat,
  Float,
  formatDecimal,
  toHex,
  type Amount,
  type BootEvidence,
  type Event,
  type Reading,
  type Statement,
} from "@tallystick/evidence";

/** `good` and `restricted` prove something; `unproven` lacks something, `bad` is wrong. */
export type Standing = "good" | "restricted" | "unproven" | "bad";

export type StatementRow = {
  readonly id: number;
  readonly stream: number;
  readonly chain: number;
  readonly seq: number;
  readonly hash: Uint8Array;
  /** Hash of the statement before it in its chain; null of the first. */
  readonly prev: Uint8Array | null;
  /** Place in the log; null where no receipt that holds names one. */
  readonly idx: number | null;
  /** Commit time, seconds, as the log's operator says. */
  readonly committed: number | null;
  readonly iat: number | null;
  readonly tq: number;
  readonly lvl: number;
  /** Size of the newest tree that the device had verified. */
  readonly seen: number | null;
  readonly kid: Uint8Array;
  readonly kind: string;
  readonly standing: Standing;
  readonly code: string | null;
  /** Number of the file of the case; of a bundle 0. */
  readonly file: number;
  /** Where the transparent statement begins in that file; in a bundle, its place among the statements. */
  readonly offset: number;
  readonly length: number;
};

/** Times in microseconds since 1970; exactly one of `v`, `float` and `vs` is there, or none for bytes and sums. */
export type ReadingRow = {
  readonly n: number;
  readonly name: string;
  readonly t: number | null;
  readonly v: string | null;
  readonly float: number | null;
  readonly vs: string | null;
  readonly unit: string | null;
  readonly q: string;
  readonly rx: number | null;
};

export type EventRow = {
  readonly kind: string;
  readonly t: number | null;
  readonly id: string | null;
  readonly ref: string | null;
  readonly supersedes: string | null;
  readonly minor: number | null;
  readonly currency: string | null;
  readonly tariff: string | null;
  readonly body: string;
};

/** `readings`, an event's kind, `envelope` or `eat`. */
export const kindOf = ({ content, event }: Pick<Statement, "content" | "event">): string =>
  content.type === "senml" ? "readings" : (event?.kind ?? content.type);

/** @param n - its place among the readings of its statement */
export function readingRow({ name, unit, value, time, quality, received }: Reading, n: number): ReadingRow {
  const measured = "v" in value ? value.v : undefined;
  return {
    n,
    name,
    t: time === null ? null : microseconds(time),
    v: measured instanceof Decimal ? formatDecimal(measured) : null,
    float: measured instanceof Float ? measured.value : null,
    vs: "vs" in value ? value.vs : "vb" in value ? String(value.vb) : null,
    unit: unit ?? null,
    q: quality.length === 0 ? "" : quality.join(" "),
    rx: received === undefined ? null : microseconds(received),
  };
}

/** What no calendar reaches: such a time is of no use to anybody, and null in the facts. */
const MAX_MICROSECONDS = 8.64e15;

/** Seconds as whole microseconds, rounded down; null beyond what a calendar has. */
function microseconds({ mantissa, exponent }: Decimal): number | null {
  const places = exponent + 6;
  if (places >= 0) return bounded(Number(mantissa) * 10 ** places);
  const scale = 10n ** BigInt(-places);
  return bounded(Number(mantissa / scale) - (mantissa < 0n && mantissa % scale !== 0n ? 1 : 0));
}

// Within the bound every product above is exact.
const bounded = (us: number): number | null => (Math.abs(us) <= MAX_MICROSECONDS ? us : null);

/** What the events of a back office have, each some of it; those of other kinds leave it null. */
type Recorded = {
  readonly t?: Decimal;
  readonly tx?: string;
  readonly id?: string;
  readonly ref?: Uint8Array;
  readonly supersedes?: Uint8Array;
  readonly amount?: Amount;
};

/** The event of a statement. */
export function eventRow(event: Event): EventRow {
  const { t, tx, id, ref, supersedes, amount } = event as Recorded;
  return {
    kind: event.kind,
    t: t === undefined ? null : microseconds(t),
    id: tx ?? id ?? null,
    ref: ref === undefined ? null : toHex(ref),
    supersedes: supersedes === undefined ? null : toHex(supersedes),
    minor: amount?.minor ?? null,
    currency: amount?.currency ?? null,
    tariff: amount?.tariff ?? null,
    body: bodyOf(event),
  };
}

/** Boot evidence as an event: what a device says of itself at a start. @throws EvidenceError as {@link decodeEat} */
export const eatRow = (payload: Uint8Array): EventRow => ({
  kind: "eat",
  t: null,
  id: null,
  ref: null,
  supersedes: null,
  minor: null,
  currency: null,
  tariff: null,
  body: bodyOf(decodeEat(payload)),
});

/** An event as JSON, members as in its type: bytes as hexadecimal, decimals as text. */
const bodyOf = (event: Event | BootEvidence): string =>
  JSON.stringify(event, (_name, value: unknown) => {
    if (value instanceof Uint8Array) return toHex(value);
    if (value instanceof Decimal) return formatDecimal(value);
    return typeof value === "bigint" ? value.toString() : value;
  });
