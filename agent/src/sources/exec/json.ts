/**
 * JSON as one program writes it to another, read strictly: no key twice, no number that a binary float would round, no half of a character. What
 * `JSON.parse` makes of such a text depends on who parses it.
 *
 * @module
 */
import { decodeUtf8, EvidenceError, isEvidenceError } from "@tallystick/evidence";

/** Objects are maps, so that no key of the input is a property of anything. Numbers are integers. */
export type Json = null | boolean | bigint | string | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

/** Deepest nesting, and most digits of an integer. */
const MAX_DEPTH = 8;
const MAX_DIGITS = 40;

const SPACE = /[ \t\r\n]*/y;
const STRING = /"(?:[^"\\]|\\.)*"/sy;
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const INTEGER = /^(?:0|-?[1-9]\d*)$/;
const WORDS: ReadonlyMap<string, Json> = new Map<string, Json>([
  ["true", true],
  ["false", false],
  ["null", null],
]);
const WORD = /true|false|null/y;

/** @throws EvidenceError `line-malformed`, with the character at which the text stops being JSON as above */
export function parseJson(bytes: Uint8Array): Json {
  return new Reader(textOf(bytes)).whole();
}

function textOf(bytes: Uint8Array): string {
  try {
    return decodeUtf8(bytes);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new EvidenceError("line-malformed", "not UTF-8");
  }
}

/** The same value always has the same text: keys in the order of their code units, no blanks. */
export function canonicalText(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalText(item)).join()}]`;
  if (value instanceof Map) {
    const members = [...(value as JsonObject)].toSorted(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([key, member]) => `${JSON.stringify(key)}:${canonicalText(member)}`).join()}}`;
  }
  return typeof value === "bigint" ? value.toString() : JSON.stringify(value);
}

class Reader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  whole(): Json {
    const value = this.#value(0);
    this.#match(SPACE);
    if (this.#at < this.#text.length) this.#fail("something follows the value");
    return value;
  }

  #value(depth: number): Json {
    if (depth > MAX_DEPTH) this.#fail(`more than ${MAX_DEPTH} levels`);
    this.#match(SPACE);
    const next = this.#text[this.#at];
    if (next === "{") return this.#object(depth);
    if (next === "[") return this.#array(depth);
    if (next === '"') return this.#string();
    const word = this.#match(WORD);
    if (word !== undefined) return WORDS.get(word) ?? null;
    return this.#number();
  }

  #object(depth: number): JsonObject {
    const members = new Map<string, Json>();
    this.#at += 1;
    if (this.#takes("}")) return members;
    do {
      this.#match(SPACE);
      const key = this.#string();
      if (members.has(key)) this.#fail("a key occurs twice");
      if (!this.#takes(":")) this.#fail("no colon after a key");
      members.set(key, this.#value(depth + 1));
    } while (this.#takes(","));
    if (!this.#takes("}")) this.#fail("an object isn't closed");
    return members;
  }

  #array(depth: number): readonly Json[] {
    const items: Json[] = [];
    this.#at += 1;
    if (this.#takes("]")) return items;
    do items.push(this.#value(depth + 1));
    while (this.#takes(","));
    if (!this.#takes("]")) this.#fail("an array isn't closed");
    return items;
  }

  #string(): string {
    const token = this.#match(STRING);
    if (token === undefined) return this.#fail("no text where one is due");
    let text: unknown;
    try {
      text = JSON.parse(token); // refuses control characters and unknown escapes
    } catch {
      return this.#fail("a text with a character that JSON wants escaped, or a wrong escape");
    }
    if (typeof text !== "string" || !text.isWellFormed()) return this.#fail("half of a character");
    return text;
  }

  #number(): bigint {
    const token = this.#match(NUMBER);
    if (token === undefined) return this.#fail("no value where one is due");
    if (!INTEGER.test(token)) return this.#fail('a number that is no integer: give it as text, "1.50"');
    if (token.length > MAX_DIGITS) return this.#fail(`a number of more than ${MAX_DIGITS} digits`);
    return BigInt(token);
  }

  #takes(mark: string): boolean {
    this.#match(SPACE);
    if (this.#text[this.#at] !== mark) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0];
    this.#at += found?.length ?? 0;
    return found;
  }

  #fail(what: string): never {
    throw new EvidenceError("line-malformed", what, { character: this.#at });
  }
}
