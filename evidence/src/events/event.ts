/**
 * Events to bytes and back (`docs/formats.md` section 5): one byte string per event, and no other is read.
 *
 * @module
 */
import { toHex } from "../bytes.ts";
import { compareDecimal } from "../decimal.ts";
import { decodeCbor, encodeCbor, type CborValue } from "../cbor.ts";
import { EvidenceError } from "../errors.ts";
import type { Event, EventKind, Head } from "./event-kinds.ts";
import { EVENT_SHAPES, type Member, type OptionalMember } from "./event-shapes.ts";
import { Fields } from "../shape.ts";
import { LIMITS } from "../topics.ts";

/**
 * Encodes an event as its one deterministic map.
 *
 * @throws EvidenceError for whatever {@link decodeEvent} would refuse, with its code
 */
export function encodeEvent(event: Event): Uint8Array {
  const shape = shapeOf(event.kind);
  const map = new Map<string, CborValue>([["kind", event.kind]]);
  for (const [name, member] of shape) {
    const value = (event as unknown as Readonly<Record<string, unknown>>)[name];
    if (value !== undefined) map.set(name, member.write(value));
  }
  const bytes = encodeCbor(map);
  decodeEvent(bytes);
  return bytes;
}

/**
 * Reads an event of a closed profile.
 *
 * @throws EvidenceError `unknown-member` (an unknown kind too), `member-missing`, `member-type`, `member-range`, `key-malformed`, `name-malformed`,
 *   `event-malformed` where members contradict each other, `too-large`, or a CBOR code
 */
export function decodeEvent(bytes: Uint8Array): Event {
  const value = decodeCbor(bytes, { maxBytes: LIMITS.maxStatementBytes });
  const kind = readKind(value);
  const fields = new Fields(value, kind);
  fields.value("kind");
  const event: Record<string, unknown> = { kind };
  for (const [name, member] of shapeOf(kind)) {
    const read = (): unknown => member.read(fields.value(name), `${kind}.${name}`);
    const found = "optional" in member ? fields.optional(name, read) : read();
    if (found !== undefined) event[name] = found;
  }
  fields.end();
  checkMembers(event as unknown as Event);
  return event as unknown as Event;
}

/**
 * The kind of an encoded event.
 *
 * @throws EvidenceError `unknown-member` for a kind outside the profile, and as a closed shape does
 */
function readKind(value: CborValue): EventKind {
  const kind = new Fields(value, "event").text("kind");
  if (Object.hasOwn(EVENT_SHAPES, kind)) return kind as EventKind;
  throw new EvidenceError("unknown-member", "no such kind of event", { in: "event", member: "kind" });
}

/** The members of a kind, seen without their types: the table has them, and {@link Event} says what comes out. */
type NamedMember = readonly [name: string, member: Member<unknown> | OptionalMember<unknown>];
const MEMBERS: ReadonlyMap<string, readonly NamedMember[]> = new Map(
  Object.entries(EVENT_SHAPES).map(([kind, shape]) => [kind, Object.entries(shape) as NamedMember[]]),
);
const shapeOf = (kind: EventKind): readonly NamedMember[] => MEMBERS.get(kind) ?? [];

/** What no single member can say. */
function checkMembers(event: Event): void {
  if (event.kind === "gap") {
    const { seq, chain, time } = event;
    if (seq === undefined && time === undefined) malformed("a gap names statements, times or both");
    if (chain !== undefined && (seq === undefined || time !== undefined))
      malformed("a gap of another chain names its statements, and no times");
    if (seq !== undefined && seq.first > seq.last)
      malformed("the first statement of a gap is not behind its last");
    if (time !== undefined && compareDecimal(time.from, time.to) > 0)
      malformed("a gap does not end before it begins");
  }
  if (event.kind === "heads" && event.part !== undefined) {
    const { i, n } = event.part;
    if (n < 2 || i < 1 || i > n) malformed("a part is i of n, i from 1, n from 2");
  }
  // Up to its head the old key counts: of two heads of one chain each reader could take another one.
  if (event.kind === "key-rotated" && new Set(event.heads.map(chainOf)).size < event.heads.length)
    malformed("a rotation names each chain once");
}

const chainOf = ({ sub, ch }: Head): string => `${sub} ${toHex(ch)}`;

function malformed(message: string): never {
  throw new EvidenceError("event-malformed", message);
}
