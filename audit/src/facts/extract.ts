/**
 * What is kept of a statement once it was judged: plain data, so that it can cross from one thread to another.
 *
 * @module
 */
import type { Before, Event, Head, SeenTree, SignedTree, Statement } from "@tallystick/evidence";
import type { Found, Judged } from "./judge.ts";
import { eatRow, eventRow, kindOf, readingRow, type EventRow, type ReadingRow } from "./rows.ts";

export type StatementFacts = {
  readonly iss: string;
  readonly sub: string;
  /** Empty for a registry item, which belongs elsewhere. */
  readonly ch: Uint8Array;
  readonly seq: number;
  readonly hash: Uint8Array;
  readonly prev: Uint8Array | null;
  readonly idx: number | null;
  /** The tree of its original receipt, whose commit time counts. */
  readonly tree: SignedTree | null;
  /** The one of its receipt at the checkpoint. */
  readonly newest: SignedTree | null;
  readonly iat: number | null;
  readonly tq: number;
  readonly lvl: number;
  readonly seen: SeenTree | null;
  readonly kid: Uint8Array;
  readonly kind: string;
  readonly found: readonly Found[];
  /** Its place is known, and the key signed it: it is the device's word, whatever else is wrong. */
  readonly signed: boolean;
  readonly offset: number;
  readonly length: number;
  readonly readings: readonly ReadingRow[];
  readonly event: EventRow | null;
  readonly opened: Before | null;
  readonly gap: { readonly count: number; readonly reason: string } | null;
  readonly heads: readonly Head[] | null;
  /** Of an `erased` event: the hash of what was erased. */
  readonly erases: Uint8Array | null;
};

const NO_BYTES = new Uint8Array();
const NO_READINGS: readonly ReadingRow[] = [];

/** @param at - where the transparent statement stands */
export function factsOf(
  { statement, readings, original, newest, index, signed, found }: Judged,
  { offset, length }: { readonly offset: number; readonly length: number },
): StatementFacts {
  const { claims, event, hash, kid } = statement;
  const { iss, sub, ch, seq, prev, iat, tq, lvl, seen } = claims;
  const { opened, gap, heads, erases } = event === undefined ? NO_WORDS : wordsOf(event);
  return {
    iss,
    sub,
    ch: ch ?? NO_BYTES,
    seq,
    hash,
    prev: prev ?? null,
    idx: index ?? null,
    tree: original?.tree ?? null,
    newest: newest?.tree ?? null,
    iat: iat ?? null,
    tq,
    lvl,
    seen: seen ?? null,
    kid,
    kind: kindOf(statement),
    found,
    signed,
    offset,
    length,
    readings: readings.length === 0 ? NO_READINGS : readings.map(readingRow),
    event: eventOf(statement),
    opened,
    gap,
    heads,
    erases,
  };
}

/** Boot evidence is no event of the profile, and stands among them: it says what a start was of. */
function eventOf({ event, content }: Statement): StatementFacts["event"] {
  if (event !== undefined) return eventRow(event);
  return content.type === "eat" ? eatRow(content.payload) : null;
}

type Words = Pick<StatementFacts, "opened" | "gap" | "heads" | "erases">;

const NO_WORDS: Words = { opened: null, gap: null, heads: null, erases: null };

const wordsOf = (event: Event): Words => ({
  opened: event.kind === "stream-opened" ? event.before : null,
  gap: event.kind === "gap" ? { count: event.count, reason: event.reason } : null,
  heads: event.kind === "heads" ? event.heads : null,
  erases: event.kind === "erased" ? event.hash : null,
});
