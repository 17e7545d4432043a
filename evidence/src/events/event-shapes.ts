/**
 * How the members of each kind of event are written in CBOR: one table, from which both directions follow, so that they can't drift
 * apart. `docs/formats.md` section 5 has the same in CDDL.
 *
 * @module
 */
import { encodeUtf8 } from "../bytes.ts";
import type { CborValue } from "../cbor.ts";
import type { Decimal } from "../decimal.ts";
import { EvidenceError } from "../errors.ts";
import type {
  Amount,
  Before,
  DeclaredName,
  Event,
  EventKind,
  EventOf,
  Head,
  Register,
  TimeQuality,
} from "./event-kinds.ts";
import { coseKey, parseCoseKey, type PublicKey } from "../keys/keys.ts";
import { checkStream } from "../names.ts";
import { HASH_BYTES } from "../sha256.ts";
import { asBytes, asDecimal, asText, asUint, Fields, tuple } from "../shape.ts";

/** One member in both directions. `name` is for messages: `gap.reason`. */
export type Member<T> = {
  readonly read: (value: CborValue, name: string) => T;
  readonly write: (value: T) => CborValue;
};

/** Bytes of a chain id, of a boot id. */
const CHAIN_BYTES = 8;
const BOOT_BYTES = 16;
const MAX_REASON_BYTES = 200;
const MAX_ID_BYTES = 128;
/** A word that two people can't write in two ways. */
const RECORD_TYPE = /^[a-z0-9][a-z0-9.-]{0,63}$/;

/** A member that may be absent. */
export type OptionalMember<T> = Member<T> & { readonly optional: true };
const optional = <T>(member: Member<T>): OptionalMember<T> => ({ ...member, optional: true });

const text: Member<string> = { read: (value, name) => asText(value, name), write: (value) => value };

/** A text of `least` to `most` bytes: `tstr .size` of CDDL counts bytes. */
const sizedText = (least: number, most: number): Member<string> => ({
  read: (value, name) => {
    const found = asText(value, name);
    const size = encodeUtf8(found).length;
    if (size < least || size > most) {
      throw new EvidenceError("member-range", `${name} has not ${least} to ${most} bytes`, { in: name });
    }
    return found;
  },
  write: (value) => value,
});
const reason = sizedText(1, MAX_REASON_BYTES);
const recordType: Member<string> = {
  read: (value, name) => {
    const found = asText(value, name);
    return RECORD_TYPE.test(found) ? found : outOfRange(name, "the words of a-z, 0-9, . and -");
  },
  write: (value) => value,
};

/** The name of a stream, of any length in its type: what is too long for one is no name. */
const stream: Member<string> = {
  read: (value, name) => {
    const found = asText(value, name, Infinity);
    checkStream(found);
    return found;
  },
  write: (value) => value,
};

const uint: Member<number> = { read: (value, name) => asUint(value, name), write: (value) => value };
const truth: Member<boolean> = {
  read: (value, name) => (typeof value === "boolean" ? value : wrongType(name, "true or false")),
  write: (value) => value,
};
const number: Member<Decimal> = {
  read: (value, name) => asDecimal(value) ?? wrongType(name, "an exact number"),
  write: (value) => value,
};
const bytes = (length: number): Member<Uint8Array> => ({
  read: (value, name) => asBytes(value, length, name),
  write: (value) => value,
});
const hash = bytes(HASH_BYTES);
const chain = bytes(CHAIN_BYTES);
const key: Member<PublicKey> = { read: (value) => parseCoseKey(value), write: coseKey };

const timeQuality: Member<TimeQuality> = {
  read: (value, name) => asUint(value, name, 3) as TimeQuality,
  write: (value) => value,
};

const orNull = <T>(member: Member<T>): Member<T | null> => ({
  read: (value, name) => (value === null ? null : member.read(value, name)),
  write: (value) => (value === null ? null : member.write(value)),
});

const list = <T>(member: Member<T>): Member<readonly T[]> => ({
  read: (value, name) =>
    Array.isArray(value)
      ? value.map((item: CborValue) => member.read(item, name))
      : wrongType(name, "an array"),
  write: (values) => values.map((value) => member.write(value)),
});

const someOf = <T>(member: Member<T>): Member<readonly T[]> => {
  const { read, write } = list(member);
  return {
    read: (value, name) => {
      const found = read(value, name);
      return found.length > 0 ? found : outOfRange(name, "the arrays with an item");
    },
    write,
  };
};

/** An object written as a fixed array, its members in this order. */
function array<T extends object>(members: { readonly [K in keyof T]-?: Member<T[K]> }): Member<T> {
  const entries = Object.entries(members) as [keyof T & string, Member<T[keyof T]>][];
  return {
    read: (value, name) => {
      const items = tuple(value, entries.length, name);
      return Object.fromEntries(
        entries.map(([member, { read }], i) => [member, read(items[i] as CborValue, `${name}.${member}`)]),
      ) as T;
    },
    write: (value) => entries.map(([member, { write }]) => write(value[member])),
  };
}

const head = array<Head>({ sub: stream, ch: chain, seq: uint, hash });
const heads = list(head);
const registers = list(array<Register>({ name: text, value: number }));
const lost = array<{ readonly mark: string; readonly lost: string }>({ mark: text, lost: reason });
const headBefore = array<{ readonly ch: Uint8Array; readonly seq: number; readonly hash: Uint8Array }>({
  ch: chain,
  seq: uint,
  hash,
});

const before: Member<Before> = {
  read: (value, name) => {
    if (value === "none") return "none";
    if (!Array.isArray(value) || value[0] !== "lost") return headBefore.read(value, name);
    return { lost: lost.read(value, name).lost };
  },
  write: (value) => {
    if (value === "none") return "none";
    return "lost" in value ? lost.write({ mark: "lost", lost: value.lost }) : headBefore.write(value);
  },
};

const NAME_TYPES = ["counter", "gauge", "text"] as const;
const nameType: Member<DeclaredName["type"]> = {
  read: (value, name) => NAME_TYPES.find((type) => type === value) ?? outOfRange(name, NAME_TYPES.join(", ")),
  write: (value) => value,
};
const declaredName = array<DeclaredName>({
  name: text,
  unit: orNull(text),
  type: nameType,
  digits: orNull(
    array<{ readonly whole: number; readonly fraction: number }>({ whole: uint, fraction: uint }),
  ),
});

const currency = sizedText(3, 3);
const amount: Member<Amount> = {
  read: (value, name) => {
    const fields = new Fields(value, name);
    const found: Amount = {
      minor: fields.int("minor"),
      currency: currency.read(fields.value("currency"), `${name}.currency`),
      tariff: fields.text("tariff"),
    };
    fields.end();
    return found;
  },
  write: ({ minor, currency: code, tariff }) =>
    new Map<string, CborValue>([
      ["minor", minor],
      ["currency", code],
      ["tariff", tariff],
    ]),
};

/** The members of an event but its kind, each optional here exactly where it is in the type. */
type Shape<E extends Event> = {
  readonly [K in Exclude<keyof E, "kind">]-?: object extends Pick<E, K>
    ? OptionalMember<Exclude<E[K], undefined>>
    : Member<E[K]> & { readonly optional?: undefined };
};

export const EVENT_SHAPES: { readonly [K in EventKind]: Shape<EventOf<K>> } = {
  "stream-opened": {
    before,
    source: text,
    meter: optional(text),
    interval: number,
    names: list(declaredName),
  },
  heads: {
    all: truth,
    heads,
    part: optional(array<{ readonly i: number; readonly n: number }>({ i: uint, n: uint })),
  },
  boot: { version: text, boot: bytes(BOOT_BYTES), alive: optional(uint), uptime: optional(number) },
  gap: {
    reason,
    count: uint,
    seq: optional(array<{ readonly first: number; readonly last: number }>({ first: uint, last: uint })),
    chain: optional(array<{ readonly sub: string; readonly ch: Uint8Array }>({ sub: stream, ch: chain })),
    time: optional(array<{ readonly from: Decimal; readonly to: Decimal }>({ from: number, to: number })),
  },
  "clock-step": { before: number, after: number, uptime: number, tq: timeQuality },
  "stream-closed": { reason },
  "meter-changed": { old: text, new: text, last: optional(registers), first: optional(registers) },
  "config-changed": { hash },
  "key-rotated": { key, heads },
  refused: { seq: uint, hash, code: text, sub: optional(text) },
  access: { who: text, what: text, purpose: text },
  erased: { hash, order: text },
  "toll-transaction": {
    tx: text,
    plaza: text,
    lane: text,
    t: number,
    direction: text,
    class: array<{ readonly measured: number | null; readonly declared: number | null }>({
      measured: orNull(uint),
      declared: orNull(uint),
    }),
    tag: optional(hash),
    plate: optional(hash),
    validity: text,
    amount: optional(amount),
    refs: list(hash),
    supersedes: optional(hash),
  },
  "toll-adjustment": { ref: hash, reason, amount, supersedes: optional(hash) },
  ref: {
    id: sizedText(1, MAX_ID_BYTES),
    type: recordType,
    t: number,
    hash: optional(hash),
    amount: optional(amount),
    refs: optional(someOf(hash)),
    supersedes: optional(hash),
  },
};

function wrongType(name: string, wanted: string): never {
  throw new EvidenceError("member-type", `${name} is not ${wanted}`, { in: name });
}

function outOfRange(name: string, allowed: string): never {
  throw new EvidenceError("member-range", `${name} is none of ${allowed}`, { in: name });
}
