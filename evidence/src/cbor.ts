/**
 * CBOR, strictly: the only file that imports cbor-x. Bytes pass the scan of `cbor/scan.ts` before the codec sees them, so that none of
 * its leniency or extensions (records, sets, dates, packed strings) can be reached from outside.
 *
 * Out: one byte string per value (RFC 8949 section 4.2.1). In: that byte string and no other, or a code.
 *
 * @module
 */
import { addExtension, Decoder, Encoder, Tag } from "cbor-x";
import { compareBytes, concatBytes, encodeUtf8 } from "./bytes.ts";
import { scanItem, type ScanRules } from "./cbor/scan.ts";
import { Decimal } from "./decimal.ts";
import { EvidenceError, isEvidenceError } from "./errors.ts";

/** A JS number always means an integer; a binary float is a `Float`. */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | Decimal
  | Float
  | Tagged
  | readonly CborValue[]
  | CborMap;
/** A bigint only beyond the safe integers, where no profile has a key: what comes from outside may. */
export type CborKey = number | bigint | string;
export type CborMap = ReadonlyMap<CborKey, CborValue>;

/** A finite 64-bit float. A whole number is encoded as an integer, so that each number has one encoding. */
export class Float {
  readonly value: number;
  /** @throws EvidenceError `cbor-malformed` for NaN and the infinities */
  constructor(value: number) {
    if (!Number.isFinite(value)) throw new EvidenceError("cbor-malformed", "a float is finite");
    this.value = value;
  }
}

/** A tagged item other than a decimal. */
export class Tagged {
  readonly tag: number;
  readonly value: CborValue;
  constructor(tag: number, value: CborValue) {
    this.tag = tag;
    this.value = value;
  }
}

const SETTINGS = {
  useRecords: false,
  mapsAsObjects: false,
  tagUint8Array: false,
  variableMapSize: true,
} as const;
const codec = { encoder: new Encoder(SETTINGS), decoder: new Decoder(SETTINGS) };

// cbor-x turns tag 4 into a JS number, which loses digits; the extension is process-wide in cbor-x.
addExtension({
  Class: Decimal,
  tag: 4,
  encode: ({ mantissa, exponent }: Decimal, encode: (value: unknown) => Uint8Array) =>
    encode([exponent, integer(mantissa)]),
  decode: (parts: unknown): Decimal => {
    const [exponent, mantissa] = parts as [number, number | bigint];
    return new Decimal(BigInt(mantissa), exponent);
  },
});

export type DecodeRules = Partial<ScanRules> & {
  /** Size limit of the whole item, checked before anything else. */
  readonly maxBytes: number;
};

const rulesOf = (rules: DecodeRules): ScanRules => ({
  tags: rules.tags ?? [],
  deterministic: rules.deterministic ?? true,
  floats: rules.floats ?? false,
});

/** A map with text keys, from an object. */
export const mapOf = (members: Readonly<Record<string, CborValue>>): CborMap =>
  new Map<CborKey, CborValue>(Object.entries(members));

/**
 * Encodes a value in its one byte string: shortest forms, map keys sorted bytewise by their encoding.
 *
 * @throws EvidenceError `cbor-malformed` for an integer beyond 64 bits
 */
export function encodeCbor(value: CborValue): Uint8Array {
  return new Uint8Array(codec.encoder.encode(prepared(value)));
}

/**
 * Decodes exactly one item. Integers come as numbers where they are safe, else as bigints; byte strings are views on `bytes`.
 *
 * @throws EvidenceError `too-large`, `cbor-trailing`, or a code of {@link scanItem}
 */
export function decodeCbor(bytes: Uint8Array, rules: DecodeRules): CborValue {
  if (bytes.length > rules.maxBytes) {
    throw new EvidenceError("too-large", `more than ${rules.maxBytes} bytes`, { bytes: bytes.length });
  }
  const end = scanItem(bytes, 0, rulesOf(rules));
  if (end !== bytes.length) throw new EvidenceError("cbor-trailing", "bytes after the end", { at: end });
  return restored(codec.decoder.decode(plain(bytes)));
}

/** What {@link splitSequence} found: the whole items, and from the first fault on, the rest of the bytes. */
export type Sequence = {
  readonly items: readonly Uint8Array[];
  readonly rest?: { readonly bytes: Uint8Array; readonly error: EvidenceError };
};

/**
 * Cuts a CBOR sequence (RFC 8742) into its items without decoding them. The first malformed, oversized or supernumerary item ends it:
 * what follows has no trustworthy beginning.
 */
export function splitSequence(
  bytes: Uint8Array,
  rules: DecodeRules & { readonly maxItems: number; readonly maxItemBytes: number },
): Sequence {
  const items: Uint8Array[] = [];
  let at = 0;
  try {
    if (bytes.length > rules.maxBytes)
      throw new EvidenceError("too-large", `more than ${rules.maxBytes} bytes`);
    const scan = rulesOf(rules);
    while (at < bytes.length) {
      if (items.length === rules.maxItems)
        throw new EvidenceError("too-large", `more than ${rules.maxItems} items`, { at });
      const end = scanItem(bytes, at, scan);
      if (end - at > rules.maxItemBytes) {
        throw new EvidenceError("too-large", `an item of more than ${rules.maxItemBytes} bytes`, { at });
      }
      items.push(bytes.subarray(at, end));
      at = end;
    }
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return { items, rest: { bytes: bytes.subarray(at), error } };
  }
  return { items };
}

/** The bytes of a CBOR sequence. */
export const encodeSequence = (values: readonly CborValue[]): Uint8Array =>
  concatBytes(...values.map(encodeCbor));

/** cbor-x writes numbers beyond 32 bits as floats and bigints always in 8 bytes: give it whichever is shortest. */
function integer(value: number | bigint): number | bigint {
  if (typeof value === "number") {
    if (!Number.isSafeInteger(value))
      throw new EvidenceError("cbor-malformed", "a number here is a safe integer");
    if (value === 0) return 0; // -0 too
    return value > 0xffff_ffff || value < -0x1_0000_0000 ? BigInt(value) : value;
  }
  return value >= -0x1_0000_0000n && value <= 0xffff_ffffn ? Number(value) : value;
}

const MAX_UINT64 = (1n << 64n) - 1n;
/** CBOR has -2^64 too, and the reader takes it, but cbor-x 1.6.8 would write it as a bignum: it is refused here instead. */
const MIN_WRITTEN = -MAX_UINT64;
const UNWRITTEN = MIN_WRITTEN - 1n;

function prepared(value: CborValue): unknown {
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number" || typeof value === "bigint") {
    const whole = integer(value);
    if (typeof whole === "bigint" && (whole > MAX_UINT64 || whole < MIN_WRITTEN)) {
      throw new EvidenceError("cbor-malformed", "an integer is at most 64 bits; beyond that use a decimal");
    }
    return whole;
  }
  if (value instanceof Uint8Array) return plain(value);
  if (value instanceof Float) return Number.isInteger(value.value) ? wholeFloat(value.value) : value.value;
  if (value instanceof Decimal) {
    if (value.mantissa === UNWRITTEN) throw new EvidenceError("cbor-malformed", "-2^64 can't be written");
    const fits = value.mantissa <= MAX_UINT64 && value.mantissa >= MIN_WRITTEN;
    return value.exponent === 0 && fits ? integer(value.mantissa) : value;
  }
  if (value instanceof Tagged) return new Tag(prepared(value.value), value.tag);
  if (isMap(value)) return sorted(value);
  return value.map(prepared);
}

const isMap = (value: readonly CborValue[] | CborMap): value is CborMap => value instanceof Map;

/** A whole float beyond 64 bits has no integer to be written as, and no sensor measures one. */
const wholeFloat = (value: number): unknown => prepared(BigInt(value));

function sorted(map: CborMap): Map<unknown, unknown> {
  const entries = [...map].sort(([a], [b]) => compareKeys(a, b));
  return new Map(entries.map(([key, value]) => [integerKey(key), prepared(value)]));
}

const integerKey = (key: CborKey): unknown => (typeof key === "string" ? key : prepared(key));

/** The bytewise order of the encodings: unsigned integers, negative ones by magnitude, then texts by length and bytes. */
function compareKeys(a: CborKey, b: CborKey): number {
  if (typeof a === "string" && typeof b === "string") {
    const [x, y] = [encodeUtf8(a), encodeUtf8(b)];
    return x.length - y.length || compareBytes(x, y);
  }
  if (typeof a === "string") return 1;
  if (typeof b === "string") return -1;
  if (a < 0 !== b < 0) return a < 0 ? 1 : -1;
  return a < b === a < 0 ? 1 : -1;
}

/**
 * The same bytes as a view of our own. cbor-x hands out views of the kind it was given, so a Buffer would leak Buffers; and it hangs a
 * DataView on what it reads, which is not for the caller's array to carry.
 */
const plain = (bytes: Uint8Array): Uint8Array =>
  new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);

/**
 * Brings cbor-x's result into our own types, in place: arrays and maps are fresh, and nobody else has them. After the scan a fractional
 * number is a float, and any other one an integer.
 */
function restored(value: unknown): CborValue {
  if (typeof value === "number") return Number.isInteger(value) ? value : new Float(value);
  if (typeof value === "bigint") {
    const safe = value <= BigInt(Number.MAX_SAFE_INTEGER) && value >= BigInt(Number.MIN_SAFE_INTEGER);
    return safe ? Number(value) : value;
  }
  if (value === null || typeof value === "string" || typeof value === "boolean") return value;
  if (value instanceof Uint8Array || value instanceof Decimal) return value;
  if (Array.isArray(value)) {
    for (const [i, item] of value.entries()) value[i] = restored(item);
    return value as CborValue[];
  }
  if (value instanceof Map) return restoredMap(value);
  if (value instanceof Tag) return new Tagged(value.tag, restored(value.value));
  throw new EvidenceError("cbor-malformed", "a value of no known kind");
}

function restoredMap(map: Map<unknown, unknown>): CborMap {
  for (const [key, item] of map) {
    if (typeof key === "bigint") {
      const entries = Array.from(map, ([name, one]) => [restored(name) as CborKey, restored(one)] as const);
      return new Map(entries);
    }
    const own = restored(item);
    if (own !== item) map.set(key, own);
  }
  return map as CborMap;
}
