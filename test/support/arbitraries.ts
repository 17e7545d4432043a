/**
 * Generators of what may be said: names, exact numbers, readings, events, claims. For fast-check.
 *
 * @module
 */
import {
  Decimal,
  ed25519Key,
  esp256Key,
  Float,
  QUALITIES,
  SECONDARY_UNITS,
  toHex,
  type Claims,
  type Event,
  type EventKind,
  type EventOf,
  type PublicKey,
  type Reading,
  type ReadingValue,
} from "@tallystick/evidence";
import * as fc from "fast-check";
import type { Arbitrary } from "fast-check";

const letters = (alphabet: string, minLength: number, maxLength: number): Arbitrary<string> =>
  fc.string({ unit: fc.constantFrom(...alphabet.split("")), minLength, maxLength });

const LOWER = "abcdefghijklmnopqrstuvwxyz0123456789";

const issuers = fc
  .tuple(letters(`${LOWER}-`, 1, 32), letters(`${LOWER}-`, 1, 64))
  .map(([org, device]) => `${org}/${device}`)
  .filter((iss) => !iss.endsWith("/operator"));

const streams = fc
  .array(fc.tuple(letters(LOWER, 1, 1), letters(`${LOWER}._-`, 0, 20)), { minLength: 1, maxLength: 4 })
  .map((segments) => segments.map(([first, rest]) => first + rest).join("/"))
  .filter((sub) => sub !== "registry");

const bytesOf = (length: number): Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
const hashes = bytesOf(32);

/** Any decimal there can be, small ones more often. */
const decimals = fc
  .oneof(
    fc.tuple(fc.bigInt(-(10n ** 12n), 10n ** 12n), fc.integer({ min: -6, max: 3 })),
    fc.tuple(fc.bigInt(-(2n ** 128n - 1n), 2n ** 128n - 1n), fc.integer({ min: -32, max: 32 })),
  )
  .map(([mantissa, exponent]) => new Decimal(mantissa, exponent));

const floats = fc
  .double({ noDefaultInfinity: true, noNaN: true })
  .filter((value) => !Number.isInteger(value))
  .map((value) => new Float(value));

const texts = fc.string({ unit: "grapheme", maxLength: 60 });
/** A reason: 1 to 200 bytes. */
const reasons = fc
  .string({ unit: "grapheme", minLength: 1, maxLength: 20 })
  .filter((text) => Buffer.byteLength(text) <= 200);
const counts = fc.maxSafeNat();

// readings

const units = fc.constantFrom("V", "A", "Cel", "%RH", "count", "m3", "/", ...SECONDARY_UNITS.keys());
const measured = fc.oneof(decimals, floats);
const values: Arbitrary<ReadingValue> = fc.oneof(
  measured.map((v) => ({ v })),
  texts.map((vs) => ({ vs })),
  fc.boolean().map((vb) => ({ vb })),
  fc.uint8Array({ maxLength: 40 }).map((vd) => ({ vd })),
  measured.map((s) => ({ s })),
);
/** Times of the years 1978 to 2500 with up to nine places. */
const times = fc
  .tuple(fc.bigInt(2n ** 28n, 16_725_225_600n), fc.integer({ min: 0, max: 9 }), fc.bigInt(0n, 999_999_999n))
  .map(([seconds, places, fraction]) => {
    const scale = 10n ** BigInt(places);
    return new Decimal(seconds * scale + (fraction % scale), 0 - places);
  });

/** `untimed`: some readings have no time, as a statement of `tq` 0 may say. */
export const readings = ({ untimed }: { readonly untimed: boolean }): Arbitrary<Reading> =>
  fc
    .record({
      name: letters("ABCxyz019-:./_", 0, 12),
      unit: fc.option(units, { nil: undefined }),
      value: values,
      time: untimed ? fc.option(times) : times,
      quality: fc.subarray([...QUALITIES]),
      received: fc.option(times, { nil: undefined }),
      updateTime: fc.option(decimals, { nil: undefined }),
    })
    .map(({ name, unit, value, time, quality, received, updateTime }) => ({
      name: name === "raw" && !("vd" in value) ? "row" : name,
      value,
      time,
      quality,
      ...(unit !== undefined && { unit }),
      ...(received !== undefined && { received }),
      ...(updateTime !== undefined && { updateTime }),
    }));

// events

const chains = bytesOf(8);
const head = fc.record({ sub: streams, ch: chains, seq: counts, hash: hashes });
const heads = fc.array(head, { maxLength: 4 });
const ends = fc.uniqueArray(head, { maxLength: 4, selector: ({ sub, ch }) => `${sub} ${toHex(ch)}` });
const registers = fc.array(fc.record({ name: texts, value: decimals }), { maxLength: 3 });
const keys: Arbitrary<PublicKey> = fc.oneof(
  hashes.map((x) => ed25519Key(x)),
  fc.tuple(hashes, hashes).map(([x, y]) => esp256Key(x, y)),
);
const amounts = fc.record({
  minor: fc.maxSafeInteger(),
  currency: letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ", 3, 3),
  tariff: texts,
});
const orNull = <T>(one: Arbitrary<T>): Arbitrary<T | null> => fc.option(one);
const ascending = (pair: Arbitrary<readonly [number, number]>): Arbitrary<{ first: number; last: number }> =>
  pair.map(([a, b]) => ({ first: Math.min(a, b), last: Math.max(a, b) }));

/** The members of a kind; `optional` names those that may be left out. */
const members = <K extends EventKind>(
  kind: K,
  model: {
    readonly [M in Exclude<keyof EventOf<K>, "kind">]-?: Arbitrary<Exclude<EventOf<K>[M], undefined>>;
  },
  optional: readonly Exclude<keyof EventOf<K>, "kind">[] = [],
): Arbitrary<Event> => {
  const required = (Object.keys(model) as (keyof typeof model)[]).filter((name) => !optional.includes(name));
  return fc
    .record(model as Record<string, Arbitrary<unknown>>, { requiredKeys: required as string[] })
    .map((rest) => ({ kind, ...rest }) as unknown as Event);
};

const EVENTS: { readonly [K in EventKind]: Arbitrary<Event> } = {
  "stream-opened": members(
    "stream-opened",
    {
      before: fc.oneof(
        fc.constant("none" as const),
        fc.record({ ch: chains, seq: counts, hash: hashes }),
        fc.record({ lost: reasons }),
      ),
      source: texts,
      meter: texts,
      interval: decimals,
      names: fc.array(
        fc.record({
          name: texts,
          unit: orNull(texts),
          type: fc.constantFrom("counter", "gauge", "text"),
          digits: orNull(fc.record({ whole: counts, fraction: counts })),
        }),
        { maxLength: 3 },
      ),
    },
    ["meter"],
  ),
  heads: members(
    "heads",
    {
      all: fc.boolean(),
      heads,
      part: fc
        .tuple(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 2, max: 99 }))
        .map(([a, b]) => ({ i: Math.min(a, b), n: Math.max(a, b) })),
    },
    ["part"],
  ),
  boot: members("boot", { version: texts, boot: bytesOf(16), alive: counts, uptime: decimals }, [
    "alive",
    "uptime",
  ]),
  // One of another chain belongs on `sys` alone: event.test.ts has it.
  gap: fc.oneof(
    members(
      "gap",
      {
        reason: reasons,
        count: counts,
        seq: ascending(fc.tuple(counts, counts)),
        time: fc
          .tuple(times, fc.nat())
          .map(([from, ms]) => ({ from, to: new Decimal(from.mantissa + BigInt(ms), from.exponent) })),
        chain: fc.constant(undefined as never),
      },
      ["chain"],
    ).map(withoutUndefined),
    members(
      "gap",
      {
        reason: reasons,
        count: counts,
        seq: ascending(fc.tuple(counts, counts)),
        time: fc.constant(undefined as never),
        chain: fc.constant(undefined as never),
      },
      ["time", "chain"],
    ).map(withoutUndefined),
  ),
  "clock-step": members("clock-step", {
    before: decimals,
    after: decimals,
    uptime: decimals,
    tq: fc.constantFrom(0, 1, 2, 3),
  }),
  "stream-closed": members("stream-closed", { reason: reasons }),
  "meter-changed": members("meter-changed", { old: texts, new: texts, last: registers, first: registers }, [
    "last",
    "first",
  ]),
  "config-changed": members("config-changed", { hash: hashes }),
  "key-rotated": members("key-rotated", { key: keys, heads: ends }),
  refused: members("refused", { seq: counts, hash: hashes, code: texts, sub: texts }, ["sub"]),
  access: members("access", { who: texts, what: texts, purpose: texts }),
  erased: members("erased", { hash: hashes, order: texts }),
  "toll-transaction": members(
    "toll-transaction",
    {
      tx: texts,
      plaza: texts,
      lane: texts,
      t: times,
      direction: texts,
      class: fc.record({ measured: orNull(counts), declared: orNull(counts) }),
      tag: hashes,
      plate: hashes,
      validity: texts,
      amount: amounts,
      refs: fc.array(hashes, { maxLength: 3 }),
      supersedes: hashes,
    },
    ["tag", "plate", "amount", "supersedes"],
  ),
  "toll-adjustment": members(
    "toll-adjustment",
    { ref: hashes, reason: reasons, amount: amounts, supersedes: hashes },
    ["supersedes"],
  ),
  ref: members(
    "ref",
    {
      id: fc.string({ unit: "binary", minLength: 1, maxLength: 32 }),
      type: fc.stringMatching(/^[a-z0-9][a-z0-9.-]{0,63}$/),
      t: times,
      hash: hashes,
      amount: amounts,
      refs: fc.array(hashes, { minLength: 1, maxLength: 3 }),
      supersedes: hashes,
    },
    ["hash", "amount", "refs", "supersedes"],
  ),
};

function withoutUndefined(event: Event): Event {
  return Object.fromEntries(
    Object.entries(event).filter(([, value]) => value !== undefined),
  ) as unknown as Event;
}

/** Events of every kind. */
export const events: Arbitrary<Event> = fc.oneof(...Object.values(EVENTS));

// statements

/** Claims of a device that contradict nothing; `ch` is always there, so none of a registry item. */
export const claims: Arbitrary<Claims> = fc
  .record({
    iss: issuers,
    sub: streams,
    iat: counts,
    ch: chains,
    seq: fc.oneof(fc.constant(0), counts),
    prev: hashes,
    tq: fc.constantFrom(0, 1, 2, 3),
    seen: fc.option(
      fc
        .record({
          size: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
          root: hashes,
          origin: fc.option(letters(`${LOWER}./`, 1, 40), { nil: undefined }),
        })
        .map(({ origin, ...tree }) => (origin === undefined ? tree : { ...tree, origin })),
      { nil: undefined },
    ),
    lvl: fc.constantFrom(0, 1),
  })
  .map(({ iat, prev, seen, ...rest }) => ({
    ...rest,
    ...(rest.tq !== 0 && { iat }),
    ...(rest.seq !== 0 && { prev }),
    ...(seen !== undefined && { seen }),
  }));
