import {
  decimal,
  decodeCbor,
  decodeEvent,
  ed25519Key,
  encodeCbor,
  encodeEvent,
  Float,
  Tagged,
  toHex,
  type CborValue,
  type Event,
  type EventKind,
} from "@tallystick/evidence";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { events } from "../../support/arbitraries.ts";
import { codeOf } from "../../support/vectors.ts";

const hash = new Uint8Array(32).fill(7);
const ch = new Uint8Array(8).fill(1);
const head = { sub: "meter/a", ch, seq: 4, hash };
/** Of another chain: the id or the stream is another one. */
const sibling = { ...head, sub: "meter/b" };
const amount = { minor: -250, currency: "EUR", tariff: "night" };

/** One event of each kind, with every optional member. */
const FULL: { readonly [K in EventKind]: Event & { kind: K } } = {
  "stream-opened": {
    kind: "stream-opened",
    before: { ch, seq: 9, hash },
    source: "p1",
    meter: "E0043007052870318",
    interval: decimal(10),
    names: [
      { name: "1-0:1.8.1", unit: "kWh", type: "counter", digits: { whole: 6, fraction: 3 } },
      { name: "0-0:96.1.1", unit: null, type: "text", digits: null },
    ],
  },
  heads: { kind: "heads", all: true, heads: [head], part: { i: 1, n: 2 } },
  boot: {
    kind: "boot",
    version: "0.1.0",
    boot: new Uint8Array(16),
    alive: 1_790_000_000,
    uptime: decimal(123, -2),
  },
  gap: {
    kind: "gap",
    reason: "outbox full",
    count: 60,
    seq: { first: 5, last: 5 },
    time: { from: decimal(1_790_000_000), to: decimal(1_790_000_000) },
  },
  "clock-step": {
    kind: "clock-step",
    before: decimal(-5),
    after: decimal(1_790_000_000),
    uptime: decimal(33, -1),
    tq: 2,
  },
  "stream-closed": { kind: "stream-closed", reason: "meter removed" },
  "meter-changed": {
    kind: "meter-changed",
    old: "A",
    new: "B",
    last: [{ name: "1-0:1.8.0", value: decimal(150, -2) }],
    first: [{ name: "1-0:1.8.0", value: decimal(0) }],
  },
  "config-changed": { kind: "config-changed", hash },
  "key-rotated": {
    kind: "key-rotated",
    key: ed25519Key(hash),
    heads: [head, sibling, { ...head, ch: ch.with(0, 2) }],
  },
  refused: { kind: "refused", seq: 3, hash, code: "key-unknown", sub: "meter/a" },
  access: { kind: "access", who: "auditor", what: "meter/a", purpose: "yearly audit" },
  erased: { kind: "erased", hash, order: "2026-17" },
  "toll-transaction": {
    kind: "toll-transaction",
    tx: "1",
    plaza: "p",
    lane: "3",
    t: decimal(1_790_000_000_123, -3),
    direction: "north",
    class: { measured: 2, declared: null },
    tag: hash,
    plate: hash,
    validity: "ok",
    amount,
    refs: [hash, hash],
    supersedes: hash,
  },
  "toll-adjustment": { kind: "toll-adjustment", ref: hash, reason: "class", amount, supersedes: hash },
  ref: {
    kind: "ref",
    id: "R-17",
    type: "refund",
    t: decimal(1_790_000_000),
    hash,
    amount,
    refs: [hash],
    supersedes: hash,
  },
};
/** Told on `sys` of a chain that has ended. */
const OF_ANOTHER: Event = {
  kind: "gap",
  reason: "outbox-full",
  count: 2,
  seq: { first: 0, last: 1 },
  chain: { sub: "meter/a", ch },
};
const OTHER: CborValue = ["meter/a", ch];
const full = Object.values(FULL) as readonly Event[];

const mapOf = (event: Event): Map<string, CborValue> =>
  new Map(decodeCbor(encodeEvent(event), { maxBytes: 32_768 }) as unknown as Map<string, CborValue>);
/** The event with some members put in the place of its own; undefined takes one away. */
function changed(event: Event, members: Readonly<Record<string, CborValue | undefined>>): Uint8Array {
  const map = mapOf(event);
  for (const [name, value] of Object.entries(members)) {
    if (value === undefined) map.delete(name);
    else map.set(name, value);
  }
  return encodeCbor(map);
}
const asArray = ({ sub, ch: id, seq, hash: of }: typeof head): CborValue => [sub, id, seq, of];
const refusal = (bytes: Uint8Array): string => codeOf(() => decodeEvent(bytes));

describe("every kind", () => {
  test.for(full)("$kind comes back as it was, in the same bytes", (event) => {
    const bytes = encodeEvent(event);
    expect(decodeEvent(bytes)).toEqual(event);
    expect(toHex(encodeEvent(decodeEvent(bytes)))).toBe(toHex(bytes));
  });

  test.for(full)("$kind is closed: no further member, each own member needed or optional", (event) => {
    expect(refusal(changed(event, { more: 1 }))).toBe("unknown-member");
    const optional: readonly string[] =
      {
        "stream-opened": ["meter"],
        heads: ["part"],
        boot: ["alive", "uptime"],
        gap: ["seq", "time"],
        "meter-changed": ["last", "first"],
        refused: ["sub"],
        "toll-transaction": ["tag", "plate", "amount", "supersedes"],
        "toll-adjustment": ["supersedes"],
        ref: ["hash", "amount", "refs", "supersedes"],
      }[event.kind as string] ?? [];
    for (const member of mapOf(event).keys()) {
      const without = changed(event, { [member]: undefined });
      expect([member, refusal(without)]).toEqual([
        member,
        optional.includes(member) ? "accepted" : "member-missing",
      ]);
    }
  });

  test.for(full)("$kind: each member of a wrong type is refused", (event) => {
    for (const member of mapOf(event).keys()) {
      for (const wrong of [true, "x".repeat(300), [1], encodeCbor([1])] as const) {
        if (member === "all" && wrong === true) continue;
        const code = refusal(changed(event, { [member]: wrong }));
        expect([member, code]).toEqual([
          member,
          expect.stringMatching(/^(member-(type|range)|unknown-member)$/),
        ]);
      }
    }
  });
});

describe("refusals", () => {
  test.for<readonly [string, Uint8Array, string]>([
    ["an unknown kind", encodeCbor(new Map([["kind", "reboot"]])), "unknown-member"],
    ["a kind of Object's", encodeCbor(new Map([["kind", "constructor"]])), "unknown-member"],
    ["a kind that is a number", encodeCbor(new Map([["kind", 1]])), "member-type"],
    ["no kind", encodeCbor(new Map()), "member-missing"],
    ["no map", encodeCbor(["stream-closed"]), "member-type"],
    ["bytes behind it", Uint8Array.of(...encodeEvent(FULL.access), 0), "cbor-trailing"],
    ["an empty reason", changed(FULL["stream-closed"], { reason: "" }), "member-range"],
    ["a reason of 201 bytes", changed(FULL["stream-closed"], { reason: "x".repeat(201) }), "member-range"],
    [
      "a reason of 101 two-byte letters",
      changed(FULL["stream-closed"], { reason: "é".repeat(101) }),
      "member-range",
    ],
    ["a text of 257 characters", changed(FULL.access, { who: "x".repeat(257) }), "member-range"],
    ["a gap of nothing", changed(FULL.gap, { seq: undefined, time: undefined }), "event-malformed"],
    ["a gap of another chain in time", changed(FULL.gap, { chain: OTHER }), "event-malformed"],
    [
      "a gap of another chain without numbers",
      changed(FULL.gap, { chain: OTHER, seq: undefined, time: undefined }),
      "event-malformed",
    ],
    [
      "a gap of a chain without its stream",
      changed(FULL.gap, { chain: [new Uint8Array(8)], time: undefined }),
      "member-range",
    ],
    ["a gap that ends before it begins", changed(FULL.gap, { seq: [6, 5] }), "event-malformed"],
    ["a gap in time that runs backwards", changed(FULL.gap, { time: [2, 1] }), "event-malformed"],
    ["a gap of three numbers", changed(FULL.gap, { seq: [1, 2, 3] }), "member-range"],
    ["part 0", changed(FULL.heads, { part: [0, 2] }), "event-malformed"],
    ["part 3 of 2", changed(FULL.heads, { part: [3, 2] }), "event-malformed"],
    ["part 1 of 1", changed(FULL.heads, { part: [1, 1] }), "event-malformed"],
    [
      "a rotation with two heads of one chain",
      changed(FULL["key-rotated"], { heads: [head, sibling, { ...head, seq: 3 }].map(asArray) }),
      "event-malformed",
    ],
    ["a head of three members", changed(FULL.heads, { heads: [["meter/a", ch, 4]] }), "member-range"],
    [
      "a head with a short chain id",
      changed(FULL.heads, { heads: [["meter/a", ch.subarray(1), 4, hash]] }),
      "member-range",
    ],
    [
      "a head with a negative number",
      changed(FULL.heads, { heads: [["meter/a", ch, -1, hash]] }),
      "member-range",
    ],
    ["a hash of 31 bytes", changed(FULL.erased, { hash: hash.subarray(1) }), "member-range"],
    ["a boot id of 8 bytes", changed(FULL.boot, { boot: ch }), "member-range"],
    ["tq 4", changed(FULL["clock-step"], { tq: 4 }), "member-range"],
    ["an opening after something else", changed(FULL["stream-opened"], { before: "nothing" }), "member-type"],
    [
      "an opening after a loss without a reason",
      changed(FULL["stream-opened"], { before: ["lost"] }),
      "member-range",
    ],
    [
      "an opening after a loss for an empty reason",
      changed(FULL["stream-opened"], { before: ["lost", ""] }),
      "member-range",
    ],
    [
      "an unknown type of name",
      changed(FULL["stream-opened"], { names: [["a", null, "meter", null]] }),
      "member-range",
    ],
    ["a record without a number", changed(FULL.ref, { id: "" }), "member-range"],
    ["a record's number of 129 bytes", changed(FULL.ref, { id: "x".repeat(129) }), "member-range"],
    ["a record of a type in capitals", changed(FULL.ref, { type: "Refund" }), "member-range"],
    ["a record that rests on an empty list", changed(FULL.ref, { refs: [] }), "member-range"],
    ["a float", changed(FULL.boot, { uptime: new Float(1.5) }), "cbor-malformed"],
    ["a tag", changed(FULL.boot, { uptime: new Tagged(1, 5) }), "cbor-tag"],
    [
      "a currency of four letters",
      changed(FULL["toll-adjustment"], {
        amount: new Map<string, CborValue>([
          ["minor", 1],
          ["currency", "EURO"],
          ["tariff", ""],
        ]),
      }),
      "member-range",
    ],
    [
      "an amount with more to it",
      changed(FULL["toll-adjustment"], {
        amount: new Map<string, CborValue>([
          ["minor", 1],
          ["currency", "EUR"],
          ["tariff", ""],
          ["vat", 1],
        ]),
      }),
      "unknown-member",
    ],
    [
      "a key of another kind",
      changed(FULL["key-rotated"], {
        key: new Map([
          [1, 4],
          [-1, 6],
        ]),
      }),
      "key-malformed",
    ],
    [
      "a key with more members than its thumbprint",
      changed(FULL["key-rotated"], {
        key: new Map<number, CborValue>([
          [1, 1],
          [-1, 6],
          [-2, hash],
          [2, hash],
        ]),
      }),
      "unknown-member",
    ],
  ])("%s", ([, bytes, code]) => {
    expect(refusal(bytes)).toBe(code);
  });

  test("members in another order", () => {
    const [kind, reason] = ["kind", "reason"].map((text) => toHex(encodeCbor(text)));
    const hex = `a2${reason}${toHex(encodeCbor("x"))}${kind}${toHex(encodeCbor("stream-closed"))}`;
    expect(refusal(Uint8Array.from(Buffer.from(hex, "hex")))).toBe("cbor-order");
  });

  test("a gap of another chain comes back as it was", () => {
    expect(decodeEvent(encodeEvent(OF_ANOTHER))).toEqual(OF_ANOTHER);
  });

  test("what would not be read is not written", () => {
    expect(codeOf(() => encodeEvent({ kind: "stream-closed", reason: "" }))).toBe("member-range");
    expect(codeOf(() => encodeEvent({ kind: "gap", reason: "x", count: 1 }))).toBe("event-malformed");
    expect(codeOf(() => encodeEvent({ kind: "erased", hash: ch, order: "" }))).toBe("member-range");
    expect(codeOf(() => encodeEvent({ kind: "refused", seq: 2 ** 53, hash, code: "" }))).toBe(
      "cbor-malformed",
    );
    expect(codeOf(() => encodeEvent({ kind: "access", who: "\ud800", what: "", purpose: "" }))).not.toBe(
      "accepted",
    );
  });
});

describe("for all events", () => {
  test("they come back as they were, and re-encode to the same bytes", () => {
    fc.assert(
      fc.property(events, (event) => {
        const bytes = encodeEvent(event);
        expect(decodeEvent(bytes)).toEqual(event);
        expect(toHex(encodeEvent(decodeEvent(bytes)))).toBe(toHex(bytes));
      }),
      { numRuns: 1000 },
    );
  });

  test("changed bytes are refused with a code, or are the one encoding of another event", () => {
    const originals = full.map((event) => encodeEvent(event));
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 }),
        (original, changes) => {
          const bytes = Uint8Array.from(original);
          for (const [offset, byte] of changes) bytes[offset % bytes.length] = byte;
          if (refusal(bytes) === "accepted")
            expect(toHex(encodeEvent(decodeEvent(bytes)))).toBe(toHex(bytes));
        },
      ),
      { numRuns: 5000 },
    );
  });
});
