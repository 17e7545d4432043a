/**
 * Reading closed shapes: every member of a map is asked for by name and type, and what nobody asked for is refused.
 *
 * @module
 */
import { encodeUtf8 } from "./bytes.ts";
import { type CborKey, type CborMap, type CborValue } from "./cbor.ts";
import { Decimal } from "./decimal.ts";
import { EvidenceError, type EvidenceCode } from "./errors.ts";

/** Longest text where a format gives no other limit, in bytes of UTF-8. */
export const MAX_TEXT = 256;

type TextRule = { readonly max?: number; readonly pattern?: RegExp };

/**
 * One map of a closed profile. Ask for each member once, then call `end()`.
 *
 * Errors: `member-missing`, `member-type`, `member-range`, `unknown-member`, all with `where.in` naming the map and `where.member`.
 */
export class Fields {
  readonly #map: CborMap;
  readonly #in: string;
  readonly #asked = new Set<CborKey>();

  /** @throws EvidenceError `member-type` unless `value` is a map */
  constructor(value: CborValue, name: string) {
    if (!(value instanceof Map)) throw new EvidenceError("member-type", `${name} is not a map`, { in: name });
    this.#map = value as CborMap;
    this.#in = name;
  }

  has(key: CborKey): boolean {
    return this.#map.has(key);
  }

  /** The raw value, for shapes that are read elsewhere. */
  value(key: CborKey): CborValue {
    this.#asked.add(key);
    const value = this.#map.get(key);
    return value === undefined ? this.#fail("member-missing", key, "is missing") : value;
  }

  optional<T>(key: CborKey, read: (key: CborKey) => T): T | undefined {
    this.#asked.add(key);
    return this.#map.has(key) ? read.call(this, key) : undefined;
  }

  text(key: CborKey, rule: TextRule = {}): string {
    const value = this.value(key);
    if (typeof value !== "string") return this.#fail("member-type", key, "is not a text");
    if (isLonger(value, rule.max ?? MAX_TEXT)) this.#fail("member-range", key, "is too long");
    if (rule.pattern !== undefined && !rule.pattern.test(value))
      this.#fail("member-range", key, "has a wrong form");
    return value;
  }

  uint(key: CborKey, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.value(key);
    if (!isInteger(value)) return this.#fail("member-type", key, "is not an integer");
    if (typeof value === "bigint" || value < 0 || value > max)
      this.#fail("member-range", key, `is not within 0 and ${max}`);
    return value;
  }

  int(key: CborKey): number {
    const value = this.value(key);
    if (!isInteger(value)) return this.#fail("member-type", key, "is not an integer");
    return typeof value === "number" ? value : this.#fail("member-range", key, "is beyond 2^53 - 1");
  }

  /** An integer or a tag-4 decimal. */
  number(key: CborKey): Decimal {
    const value = this.value(key);
    return asDecimal(value) ?? this.#fail("member-type", key, "is not an exact number");
  }

  bytes(key: CborKey, length?: number): Uint8Array {
    const value = this.value(key);
    if (!(value instanceof Uint8Array)) return this.#fail("member-type", key, "is not a byte string");
    if (length !== undefined && value.length !== length)
      this.#fail("member-range", key, `is not ${length} bytes`);
    return value;
  }

  bool(key: CborKey): boolean {
    const value = this.value(key);
    return typeof value === "boolean" ? value : this.#fail("member-type", key, "is neither true nor false");
  }

  /** @throws EvidenceError `member-type`, `member-range` for fewer items than `least`, `too-large` for more than `most` */
  list(key: CborKey, least = 0, most = Infinity): readonly CborValue[] {
    const value = this.value(key);
    if (!Array.isArray(value)) return this.#fail("member-type", key, "is not an array");
    if (value.length < least) this.#fail("member-range", key, `has fewer than ${least} items`);
    if (value.length > most) this.#fail("too-large", key, `has more than ${most} items`);
    return value as readonly CborValue[];
  }

  literal<const T extends string | number>(key: CborKey, allowed: readonly T[]): T {
    const value = this.value(key);
    const found = allowed.find((one) => one === value);
    return found ?? this.#fail("member-range", key, `is none of ${allowed.join(", ")}`);
  }

  /** @throws EvidenceError `unknown-member` where the map has a member that was not asked for */
  end(): void {
    for (const key of this.#map.keys()) {
      if (!this.#asked.has(key)) {
        throw new EvidenceError("unknown-member", `${this.#in} has an unknown member`, {
          in: this.#in,
          member: quoted(key),
        });
      }
    }
  }

  #fail(code: EvidenceCode, key: CborKey, fault: string): never {
    throw new EvidenceError(code, `${this.#in}: ${quoted(key)} ${fault}`, {
      in: this.#in,
      member: quoted(key),
    });
  }
}

/** Texts are measured in bytes, as CDDL does; a text of n UTF-16 units has at most 3 n. */
const isLonger = (text: string, maxBytes: number): boolean =>
  text.length > maxBytes || (text.length * 3 > maxBytes && encodeUtf8(text).length > maxBytes);

/** A bigint is an integer beyond 2^53 - 1: of the right type, and out of every range here. */
const isInteger = (value: CborValue | undefined): value is number | bigint =>
  typeof value === "number" || typeof value === "bigint";

/** hostile: a key from outside is shown short and without control characters. */
const quoted = (key: CborKey): string =>
  typeof key === "string" ? JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key) : String(key);

/** The exact number that a CBOR integer or decimal stands for. */
export function asDecimal(value: CborValue): Decimal | undefined {
  if (value instanceof Decimal) return value;
  if (typeof value === "number" || typeof value === "bigint") return new Decimal(BigInt(value), 0);
  return undefined;
}

/** A fixed array, e.g. `[iss, sub, ch, from, to]`. @throws EvidenceError `member-type`, `member-range` */
export function tuple(value: CborValue, length: number, name: string): readonly CborValue[] {
  if (!Array.isArray(value)) throw new EvidenceError("member-type", `${name} is not an array`, { in: name });
  if (value.length !== length)
    throw new EvidenceError("member-range", `${name} has not ${length} items`, { in: name });
  return value as readonly CborValue[];
}

/** @throws EvidenceError `member-type`, `member-range` */
export function asBytes(value: CborValue | undefined, length: number | undefined, name: string): Uint8Array {
  if (!(value instanceof Uint8Array))
    throw new EvidenceError("member-type", `${name} is not a byte string`, { in: name });
  if (length !== undefined && value.length !== length) {
    throw new EvidenceError("member-range", `${name} is not ${length} bytes`, { in: name });
  }
  return value;
}

/** @throws EvidenceError `member-type`, `member-range` */
export function asUint(value: CborValue | undefined, name: string, max = Number.MAX_SAFE_INTEGER): number {
  if (!isInteger(value)) throw new EvidenceError("member-type", `${name} is not an integer`, { in: name });
  if (typeof value === "bigint" || value < 0 || value > max)
    throw new EvidenceError("member-range", `${name} is not within 0 and ${max}`, { in: name });
  return value;
}

/** @throws EvidenceError `member-type`, `member-range` */
export function asText(value: CborValue | undefined, name: string, max = MAX_TEXT): string {
  if (typeof value !== "string")
    throw new EvidenceError("member-type", `${name} is not a text`, { in: name });
  if (isLonger(value, max)) throw new EvidenceError("member-range", `${name} is too long`, { in: name });
  return value;
}
