/**
 * Reads bytes of one expected form from the front to the back: what a program of this profile wrote, at a tenth of what a decoder costs. Whatever is not
 * of that form ends it, and is for the strict decoder to judge: here nothing is refused, and nothing else is accepted than there.
 *
 * @module
 */
import { copied, equalRange } from "../bytes.ts";

const MAX_ASCII = 128;
const NO_BYTES = new Uint8Array();

/** A text that is mostly the same from item to item: the same bytes give the very same string then, which is compared at once. */
export class LastText {
  #bytes: Uint8Array = NO_BYTES;
  #text = "";

  get text(): string {
    return this.#text;
  }

  is(bytes: Uint8Array, at: number, length: number): boolean {
    return length === this.#bytes.length && length > 0 && equalRange(bytes, at, this.#bytes, 0, length);
  }

  keep(bytes: Uint8Array, at: number, length: number, text: string): void {
    this.#bytes = copied(bytes, at, at + length);
    this.#text = text;
  }
}

export class ByteReader {
  readonly bytes: Uint8Array;
  at: number;
  /** False from the first thing on that was not as expected. */
  good = true;

  constructor(bytes: Uint8Array, at = 0) {
    this.bytes = bytes;
    this.at = at;
  }

  /** Whether all was as expected, to the last byte. */
  get whole(): boolean {
    return this.good && this.at === this.bytes.length;
  }

  /** These very bytes follow. */
  expect(expected: readonly number[]): void {
    const { bytes, at } = this;
    for (let i = 0; i < expected.length; i++) if (bytes[at + i] !== expected[i]) this.good = false;
    this.at = at + expected.length;
  }

  /** A head of this major type in its shortest form, up to 32 bits; its argument. */
  head(major: number): number {
    const initial = this.bytes[this.at++] ?? 0;
    if (initial >> 5 !== major) this.good = false;
    const info = initial & 31;
    if (info < 24) return info;
    const { bytes, at } = this;
    const width = info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : 0;
    this.at += width;
    if (width === 0 || this.at > bytes.length) {
      this.good = false;
      return 0;
    }
    let argument = 0;
    for (let i = 0; i < width; i++) argument = argument * 256 + (bytes[at + i] as number);
    if (argument < (width === 1 ? 24 : width === 2 ? 0x100 : 0x1_0000)) this.good = false;
    return argument;
  }

  /** A byte string; empty where none follows. */
  byteString(): Uint8Array {
    return this.take(this.head(2));
  }

  /**
   * A text of ASCII, as long as a name is at most; empty where none follows.
   *
   * @param last - the text that stood in this place of the item before, where one is kept
   */
  ascii(last?: LastText): string {
    const length = this.head(3);
    const { bytes, at } = this;
    this.at += length;
    if (!this.good || length > MAX_ASCII || this.at > bytes.length) {
      this.good = false;
      return "";
    }
    if (last?.is(bytes, at, length) === true) return last.text;
    const codes: number[] = [];
    for (let i = at; i < at + length; i++) {
      const byte = bytes[i] as number;
      if (byte > 127) this.good = false;
      codes.push(byte);
    }
    const text = String.fromCharCode(...codes);
    if (this.good) last?.keep(bytes, at, length, text);
    return text;
  }

  /** So many bytes; none where they don't follow. */
  take(length: number): Uint8Array {
    const start = this.at;
    this.at += length;
    if (!this.good || this.at > this.bytes.length) {
      this.good = false;
      return NO_BYTES;
    }
    return this.bytes.subarray(start, this.at);
  }
}
