/**
 * The strict reading of CBOR that comes before any decoding: one pass over the bytes that accepts exactly one encoding of each value
 * (RFC 8949 section 4.2.1, less the map order where a caller allows it) and never recurses deeper than 16.
 *
 * @module
 */
import { decodeUtf8 } from "../bytes.ts";
import { MAX_EXPONENT } from "../decimal.ts";
import { EvidenceError, type EvidenceCode } from "../errors.ts";

/** Levels of arrays, maps and tags. */
const MAX_DEPTH = 16;

/** Data items in one, itself and map keys counted: more than the largest bundle has, whose hashes alone take 34 bytes each. */
const MAX_ITEMS = 1 << 21;

export type ScanRules = {
  /** Tags that may occur, besides 4 (decimal) with 2 and 3 inside it. */
  readonly tags: readonly number[];
  /** Map keys must be sorted bytewise by their encoding. */
  readonly deterministic: boolean;
  /** Finite 64-bit floats that are not whole numbers may occur. */
  readonly floats: boolean;
};

/**
 * Walks the one item that begins at `start`.
 *
 * @returns where it ends: the offset of the first byte behind it
 * @throws EvidenceError `cbor-malformed`, `cbor-duplicate-key`, `cbor-order`, `cbor-depth`, `cbor-tag`, `cbor-decimal`, `too-large` (more than
 *   2^21 data items), each with the offset in `where.at`
 */
export function scanItem(bytes: Uint8Array, start: number, rules: ScanRules): number {
  const scanner = new Scanner(bytes, start, rules);
  scanner.item(0);
  return scanner.at;
}

/** A head as RFC 8949 section 3 has it. `argument` is a bigint only where it does not fit a safe integer. */
type Head = { readonly major: number; readonly info: number; readonly argument: number | bigint };

class Scanner {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #rules: ScanRules;
  #items = 0;

  constructor(bytes: Uint8Array, start: number, rules: ScanRules) {
    this.#bytes = bytes;
    this.at = start;
    this.#rules = rules;
  }

  item(depth: number): void {
    const start = this.at;
    const head = this.#head();
    switch (head.major) {
      case 0:
      case 1:
        return;
      case 2:
        this.#skip(head.argument, start);
        return;
      case 3:
        this.#text(head.argument, start);
        return;
      case 4:
        this.#array(this.#count(head.argument, 1, start), this.#deeper(depth, start));
        return;
      case 5:
        this.#map(this.#count(head.argument, 2, start), this.#deeper(depth, start));
        return;
      case 6:
        this.#tag(head.argument, this.#deeper(depth, start), start);
        return;
      default:
        this.#simple(head, start);
    }
  }

  #head(): Head {
    const start = this.at;
    const initial = this.#bytes[this.at++];
    // hostile: an empty map is one byte here and two hundred once it is decoded
    if (++this.#items > MAX_ITEMS) this.#fail("too-large", `more than ${MAX_ITEMS} data items`, start);
    if (initial === undefined) return this.#fail("cbor-malformed", "the bytes end inside an item", start);
    const major = initial >> 5;
    const info = initial & 31;
    if (info < 24) return { major, info, argument: info };
    if (info > 27) return this.#fail("cbor-malformed", "indefinite length or reserved head", start);
    const width = 1 << (info - 24);
    if (this.at + width > this.#bytes.length)
      this.#fail("cbor-malformed", "the bytes end inside a head", start);
    const argument = this.#argument(width);
    this.at += width;
    // Shortest form (4.2.1); the argument of major type 7 is a float's bits, or refused below.
    const shortest = width === 1 ? 24 : width === 2 ? 0x100 : width === 4 ? 0x1_0000 : 0x1_0000_0000;
    if (major !== 7 && argument < shortest) this.#fail("cbor-malformed", "not in shortest form", start);
    return { major, info, argument };
  }

  #argument(width: number): number | bigint {
    // By hand: to make a view costs as much as the scan of a small item.
    if (width < 8) {
      let argument = 0;
      for (let i = 0; i < width; i++) argument = argument * 256 + (this.#bytes[this.at + i] as number);
      return argument;
    }
    const wide = viewOf(this.#bytes).getBigUint64(this.at);
    return wide <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(wide) : wide;
  }

  /** hostile: a length is believed only as far as bytes are there to fill it. */
  #count(argument: number | bigint, bytesEach: number, start: number): number {
    const left = this.#bytes.length - this.at;
    if (typeof argument === "bigint" || argument * bytesEach > left) {
      return this.#fail("cbor-malformed", "a length goes beyond the end of the bytes", start);
    }
    return argument;
  }

  #skip(argument: number | bigint, start: number): void {
    this.at += this.#count(argument, 1, start);
  }

  #text(argument: number | bigint, start: number): void {
    const from = this.at;
    this.#skip(argument, start);
    for (let i = from; i < this.at; i++) {
      if ((this.#bytes[i] as number) > 127) {
        try {
          decodeUtf8(this.#bytes.subarray(i, this.at));
        } catch {
          this.#fail("cbor-malformed", "a text is not UTF-8", start);
        }
        return;
      }
    }
  }

  #array(count: number, depth: number): void {
    for (let i = 0; i < count; i++) this.item(depth);
  }

  #map(count: number, depth: number): void {
    const seen = this.#rules.deterministic || count < 2 ? undefined : new Set<string>();
    let before = 0;
    let beforeEnd = 0;
    for (let i = 0; i < count; i++) {
      const start = this.at;
      const { major, argument } = this.#head();
      if (major === 3) this.#text(argument, start);
      else if (major > 1) this.#fail("cbor-malformed", "a map key is neither an integer nor a text", start);
      if (seen !== undefined) {
        const key = Array.from(this.#bytes.subarray(start, this.at), (byte) =>
          String.fromCharCode(byte),
        ).join("");
        if (seen.has(key)) this.#fail("cbor-duplicate-key", "a key occurs twice in a map", start);
        seen.add(key);
      } else if (i > 0) {
        const order = this.#compare(before, beforeEnd, start, this.at);
        if (order === 0) this.#fail("cbor-duplicate-key", "a key occurs twice in a map", start);
        if (order > 0) this.#fail("cbor-order", "map keys are not in deterministic order", start);
      }
      before = start;
      beforeEnd = this.at;
      this.item(depth);
    }
  }

  #compare(a: number, aEnd: number, b: number, bEnd: number): number {
    const shared = Math.min(aEnd - a, bEnd - b);
    for (let i = 0; i < shared; i++) {
      const difference = (this.#bytes[a + i] as number) - (this.#bytes[b + i] as number);
      if (difference !== 0) return difference;
    }
    return aEnd - a - (bEnd - b);
  }

  #tag(tag: number | bigint, depth: number, start: number): void {
    if (tag === 4) this.#decimal(this.#deeper(depth, start), start);
    else if (typeof tag === "number" && this.#rules.tags.includes(tag)) this.item(depth);
    else this.#fail("cbor-tag", `tag ${tag} does not belong here`, start);
  }

  /** Tag 4: [exponent, mantissa]; bignums (tags 2, 3) only here, and only where 64 bits are too few (RFC 8949 3.4.3). */
  #decimal(_depth: number, start: number): void {
    const array = this.#head();
    if (array.major !== 4 || array.argument !== 2)
      this.#fail("cbor-decimal", "a decimal is two integers", start);
    const { major, argument } = this.#head();
    const magnitude = typeof argument === "number" ? argument + (major === 1 ? 1 : 0) : Infinity;
    if (major > 1 || magnitude > MAX_EXPONENT)
      this.#fail("cbor-decimal", "a decimal's exponent is within 32", start);
    const mantissa = this.#head();
    if (mantissa.major <= 1) {
      if (magnitude === 0)
        this.#fail("cbor-decimal", "a decimal of exponent 0 is written as an integer", start);
      return;
    }
    if (mantissa.major !== 6 || (mantissa.argument !== 2 && mantissa.argument !== 3)) {
      this.#fail("cbor-decimal", "a decimal's mantissa is an integer", start);
    }
    const big = this.#head();
    if (big.major !== 2) this.#fail("cbor-decimal", "a bignum is a byte string", start);
    const length = this.#count(big.argument, 1, start);
    if (length < 9 || length > 16 || this.#bytes[this.at] === 0) {
      this.#fail("cbor-decimal", "a mantissa is at most 128 bits, and a bignum only beyond 64", start);
    }
    this.at += length;
    const allOnes =
      length === 16 && this.#bytes.subarray(this.at - 16, this.at).every((byte) => byte === 255);
    if (mantissa.argument === 3 && allOnes)
      this.#fail("cbor-decimal", "a mantissa is at most 128 bits", start);
  }

  #simple({ info }: Head, start: number): void {
    if (info >= 20 && info <= 22) return; // false, true, null
    if (info !== 27 || !this.#rules.floats) {
      this.#fail(
        "cbor-malformed",
        info >= 25 && info <= 27 ? "a float does not belong here" : "no such simple value",
        start,
      );
    }
    const float = viewOf(this.#bytes).getFloat64(this.at - 8);
    // One number, one encoding: 21.0 is the integer 21.
    if (!Number.isFinite(float) || Number.isInteger(float)) {
      this.#fail("cbor-malformed", "a float is finite, and a whole number is written as an integer", start);
    }
  }

  #deeper(depth: number, start: number): number {
    if (depth >= MAX_DEPTH) this.#fail("cbor-depth", `nested deeper than ${MAX_DEPTH}`, start);
    return depth + 1;
  }

  #fail(code: EvidenceCode, message: string, at: number): never {
    throw new EvidenceError(code, message, { at });
  }
}

const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
