/**
 * Steps through CBOR bytes that the strict scan has already accepted, without building values: what keeps a pack of sixty readings
 * cheap to check. Nothing here may be given bytes that were not scanned.
 *
 * @module
 */
import { decodeUtf8 } from "../bytes.ts";
import { Float } from "../cbor.ts";
import { Decimal } from "../decimal.ts";

export class CborCursor {
  readonly bytes: Uint8Array;
  at = 0;
  /** Major type and argument of the head read last; the argument of a 64-bit integer beyond 2^53 is in `wide`. */
  major = 0;
  argument = 0;
  wide: bigint | undefined;
  /** The number read last by {@link number}: mantissa and exponent; or a binary float. */
  mantissa: number | bigint = 0;
  exponent = 0;
  float: number | undefined;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Reads a head and returns its major type. For major type 7 `argument` is the additional information: 20 false, 21 true, 22 null, 27 a float. */
  head(): number {
    const initial = this.bytes[this.at++] as number;
    const info = initial & 31;
    this.major = initial >> 5;
    this.argument = info;
    this.wide = undefined;
    if (info >= 24 && this.major !== 7) this.#readArgument(info);
    return this.major;
  }

  /** Reads an integer or a decimal; with `floats` a binary float too. False where something else stands. */
  number(floats: boolean): boolean {
    this.head();
    this.float = undefined;
    this.exponent = 0;
    if (this.major <= 1) {
      this.mantissa = this.#integer();
      return true;
    }
    if (this.major === 6 && this.argument === 4) {
      this.#decimal();
      return true;
    }
    if (!floats || this.major !== 7 || this.argument !== 27) return false;
    this.float = this.#view().getFloat64(this.at);
    this.at += 8;
    return true;
  }

  /** What {@link number} read, as a value. */
  value(): Decimal | Float {
    return this.float === undefined ? this.exact() : new Float(this.float);
  }

  /** What {@link number} read, where no float was admitted. */
  exact(): Decimal {
    return new Decimal(BigInt(this.mantissa), this.exponent);
  }

  /** Goes past one item of whatever kind. The scan has bounded how deep it may be. */
  skip(): void {
    this.head();
    const { major, argument } = this;
    if (major === 2 || major === 3) this.at += argument;
    else if (major === 7) this.at += argument === 27 ? 8 : 0;
    else if (major === 6) this.skip();
    else if (major >= 4) for (let left = major === 5 ? 2 * argument : argument; left > 0; left--) this.skip();
  }

  /** The text or byte string whose head was read last; leaves it behind. */
  content(): Uint8Array {
    const start = this.at;
    this.at += this.argument;
    return this.bytes.subarray(start, this.at);
  }

  /** The text whose head was read last; leaves it behind. */
  text(): string {
    const end = this.at + this.argument;
    if (this.argument > 64) return decodeUtf8(this.content());
    let text = "";
    for (let i = this.at; i < end; i++) {
      const byte = this.bytes[i] as number;
      if (byte > 127) return decodeUtf8(this.content());
      text += String.fromCharCode(byte);
    }
    this.at = end;
    return text;
  }

  #readArgument(info: number): void {
    const width = 1 << (info - 24);
    if (width === 8) {
      this.wide = this.#view().getBigUint64(this.at);
      this.argument = Number(this.wide);
    } else {
      let argument = 0;
      for (let i = 0; i < width; i++) argument = argument * 256 + (this.bytes[this.at + i] as number);
      this.argument = argument;
    }
    this.at += width;
  }

  /** Made where it is needed: it costs as much as reading a small pack. */
  #view(): DataView {
    return new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.byteLength);
  }

  #integer(): number | bigint {
    if (this.wide !== undefined) return this.major === 0 ? this.wide : -1n - this.wide;
    return this.major === 0 ? this.argument : -1 - this.argument;
  }

  #decimal(): void {
    this.head(); // the array of two
    this.head();
    this.exponent = this.#integer() as number;
    this.head();
    if (this.major <= 1) {
      this.mantissa = this.#integer();
      return;
    }
    const negative = this.argument === 3;
    this.head();
    let magnitude = 0n;
    for (const byte of this.content()) magnitude = (magnitude << 8n) | BigInt(byte);
    this.mantissa = negative ? -1n - magnitude : magnitude;
  }
}
