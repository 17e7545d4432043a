/**
 * Reads the JSON of an anchor's answers strictly: what isn't as docs/formats.md section 13 has it is `http-answer`, with the path that it answered.
 *
 * @module
 */
import { decodeUtf8, EvidenceError, fromHex } from "@tallystick/evidence";

export const badAnswer = (path: string, what: string): EvidenceError =>
  new EvidenceError("http-answer", `${path}: not what formats.md section 13 promises: ${what}`, { path });

/** An object of an answer, whose members are read one by one. */
export class Answer {
  readonly #value: Readonly<Record<string, unknown>>;
  readonly #path: string;

  constructor(value: unknown, path: string) {
    if (typeof value !== "object" || value === null || Array.isArray(value))
      throw badAnswer(path, "no object");
    this.#value = value as Readonly<Record<string, unknown>>;
    this.#path = path;
  }

  static parse(bytes: Uint8Array, path: string): Answer {
    return new Answer(parseJson(bytes, path), path);
  }

  static list(bytes: Uint8Array, path: string): Answer[] {
    const value = parseJson(bytes, path);
    if (!Array.isArray(value)) throw badAnswer(path, "no list");
    return value.map((one) => new Answer(one, path));
  }

  text(name: string): string {
    const value = this.#value[name];
    if (typeof value !== "string") throw badAnswer(this.#path, name);
    return value;
  }

  count(name: string): number {
    const value = this.#value[name];
    if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
      throw badAnswer(this.#path, name);
    return value;
  }

  countOrNull(name: string): number | null {
    return this.#value[name] === null ? null : this.count(name);
  }

  hex(name: string, length: number): Uint8Array {
    const text = this.text(name);
    if (text.length !== 2 * length || !/^[0-9a-f]*$/.test(text)) throw badAnswer(this.#path, name);
    return fromHex(text);
  }

  list(name: string): Answer[] {
    const value = this.#value[name];
    if (!Array.isArray(value)) throw badAnswer(this.#path, name);
    return value.map((one) => new Answer(one, this.#path));
  }
}

function parseJson(bytes: Uint8Array, path: string): unknown {
  try {
    return JSON.parse(decodeUtf8(bytes)) as unknown;
  } catch {
    throw badAnswer(path, "not JSON: is this an anchor's address?");
  }
}
