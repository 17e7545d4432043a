/**
 * The members of a JSON object, each asked for by name and type; what nobody asked for is refused. As `Fields` of evidence does for CBOR.
 *
 * @module
 */
import {
  decimal,
  EvidenceError,
  isEvidenceError,
  parseDecimal,
  type Decimal,
  type EvidenceCode,
} from "@tallystick/evidence";
import type { Json, JsonObject } from "./json.ts";
import { parseTime } from "./time.ts";

/**
 * Ask for each member once, then call `end()`.
 *
 * Errors: `member-missing`, `member-type`, `member-range`, `unknown-member`, with `where.member`.
 */
export class Members {
  readonly #object: JsonObject;
  readonly #in: string;
  readonly #asked = new Set<string>();

  /** @throws EvidenceError `member-type` unless `value` is an object. @param name - for messages: of what these are the members */
  constructor(value: Json, name: string) {
    if (!(value instanceof Map)) throw new EvidenceError("member-type", `${name} is no object`);
    this.#object = value as JsonObject;
    this.#in = name;
  }

  has(name: string): boolean {
    return this.#object.has(name);
  }

  value(name: string): Json {
    this.#asked.add(name);
    const value = this.#object.get(name);
    return value === undefined ? this.#fail("member-missing", name, "is missing") : value;
  }

  optional<T>(name: string, read: (name: string) => T): T | undefined {
    return this.#object.has(name) ? read(name) : undefined;
  }

  /** @param maxBytes - of UTF-8; at least one is there */
  text(name: string, maxBytes: number): string {
    const value = this.value(name);
    if (typeof value !== "string") return this.#fail("member-type", name, "is no text");
    if (value === "" || Buffer.byteLength(value) > maxBytes)
      this.#fail("member-range", name, `has not 1 to ${maxBytes} bytes`);
    return value;
  }

  oneOf<const T extends string>(name: string, allowed: readonly T[]): T {
    const value = this.value(name);
    const found = allowed.find((one) => one === value);
    return found ?? this.#fail("member-range", name, `is none of ${allowed.join(", ")}`);
  }

  list(name: string): readonly Json[] {
    const value = this.value(name);
    return Array.isArray(value) ? (value as readonly Json[]) : this.#fail("member-type", name, "is no array");
  }

  /** An exact number: an integer, or digits as text. */
  number(name: string): Decimal {
    return this.#reading(name, 'is neither an integer nor digits as text, "1.50"', (value) =>
      typeof value === "bigint" ? decimal(value) : parseDecimal(value),
    );
  }

  /** Unix seconds, as a number or in RFC 3339 with a zone. */
  time(name: string): Decimal {
    return this.#reading(name, "is no time: Unix seconds, or RFC 3339 with its zone", (value) =>
      parseTime(String(value)),
    );
  }

  /** @throws EvidenceError `unknown-member` where the object has a member that was not asked for */
  end(): void {
    for (const name of this.#object.keys()) {
      if (!this.#asked.has(name))
        throw new EvidenceError("unknown-member", `${this.#in} has an unknown member: ${quoted(name)}`);
    }
  }

  #reading(name: string, fault: string, read: (value: bigint | string) => Decimal): Decimal {
    const value = this.value(name);
    if (typeof value !== "bigint" && typeof value !== "string") return this.#fail("member-type", name, fault);
    try {
      return read(value);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      return this.#fail("member-range", name, fault);
    }
  }

  #fail(code: EvidenceCode, name: string, fault: string): never {
    throw new EvidenceError(code, `${this.#in}: ${name} ${fault}`, { member: name });
  }
}

/** hostile: a key from outside is shown short and without control characters. */
const quoted = (key: string): string => JSON.stringify(key.length > 40 ? `${key.slice(0, 40)}…` : key);
