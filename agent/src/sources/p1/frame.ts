/**
 * Finds P1 telegrams in a stream of bytes and checks each one's checksum, before anybody looks inside.
 *
 * A telegram is `/` … `!`, the checksum in up to four hexadecimal digits, and a line end: IEC 62056-21 forbids both marks
 * within. So a `/` always begins a telegram, whatever came before it, and after noise the next one is found again. A
 * telegram that fails is refused and never repaired.
 *
 * Meters differ in how they end: DSMR 2.2 and 3 have no checksum, some print fewer than four digits, some stop right after
 * the fourth. Four digits end a telegram at once; fewer end it at the line end, at the next `/`, or in silence (`end`).
 *
 * @module
 */
import { EvidenceError } from "@tallystick/evidence";
import { crc16 } from "./crc.ts";

/** The longest telegram taken. A DSMR 5 telegram with the longest text message and history has about 4 KiB. */
export const MAX_TELEGRAM_BYTES = 8192;

/** A telegram from `/` to `!`, and where it began in the stream. */
export type Frame = {
  readonly bytes: Uint8Array;
  /** All bytes as received, checksum included, line end not. */
  readonly raw: Uint8Array;
  readonly offset: number;
  /** False where the telegram carries no checksum. A wrong one is refused. */
  readonly checked: boolean;
};

export type FrameResult =
  { readonly frame: Frame } | { readonly error: EvidenceError; readonly skipped: number };

const SLASH = 0x2f;
const BANG = 0x21;
const CR = 0x0d;
const LF = 0x0a;
const HEX = /^[0-9A-Fa-f]$/;

/** Where in a telegram the next byte stands: before any, in its lines, in its checksum, between CR and LF after it. */
type State = "outside" | "lines" | "checksum" | "line-end";

/** Holds at most one telegram, `MAX_TELEGRAM_BYTES` long. One framer reads one stream. */
export class P1Framer {
  readonly #buffer = new Uint8Array(MAX_TELEGRAM_BYTES);
  #length = 0;
  #offset = 0;
  #position = 0;
  #bang = 0;
  #state: State = "outside";
  #noiseBytes = 0;

  /** True while a telegram may be whole, and only silence can tell. */
  get waitsForSilence(): boolean {
    return this.#state === "checksum" || this.#state === "line-end";
  }

  /** Bytes since the last call that belonged to no telegram at all; line ends between telegrams are not noise. */
  takeNoise(): number {
    const bytes = this.#noiseBytes;
    this.#noiseBytes = 0;
    return bytes;
  }

  /** Takes in bytes and yields what they complete. Chunks may be cut anywhere. */
  *push(chunk: Uint8Array): Generator<FrameResult, void, undefined> {
    for (const byte of chunk) {
      const result = this.#take(byte);
      this.#position += 1;
      if (result !== undefined) yield result;
    }
  }

  /** The line has been silent: what waits for that is whole. A telegram still in its lines goes on waiting. */
  *silence(): Generator<FrameResult, void, undefined> {
    if (this.waitsForSilence) yield this.#finish();
  }

  /** The stream has ended: a telegram still in its lines is cut off. */
  *end(): Generator<FrameResult, void, undefined> {
    if (this.waitsForSilence) yield this.#finish();
    else if (this.#state === "lines")
      yield this.#refuse("p1-malformed", "the telegram is cut off before its end");
  }

  #take(byte: number): FrameResult | undefined {
    if (byte === SLASH) return this.#begin();
    if (this.#state === "lines") return this.#inLines(byte);
    if (this.#state === "checksum") return this.#inChecksum(byte);
    if (this.#state === "line-end") {
      if (byte === LF) return this.#finish();
      return this.#refuse("p1-malformed", "a carriage return without line feed after the checksum");
    }
    if (byte !== CR && byte !== LF) this.#noiseBytes += 1;
    return undefined;
  }

  #begin(): FrameResult | undefined {
    const before = this.#endAtSlash();
    this.#state = "lines";
    this.#offset = this.#position;
    this.#buffer[0] = SLASH;
    this.#length = 1;
    return before;
  }

  #endAtSlash(): FrameResult | undefined {
    if (this.#state === "outside") return undefined;
    if (this.#state === "checksum" && this.#length > this.#bang) return this.#finish();
    // A slash right after the exclamation mark would be a spoiled digit that makes a checked telegram an unchecked one.
    return this.#refuse("p1-malformed", "the telegram is cut off by the start of the next");
  }

  #inLines(byte: number): FrameResult | undefined {
    if (this.#length === MAX_TELEGRAM_BYTES) {
      return this.#refuse("p1-too-long", `no end within ${MAX_TELEGRAM_BYTES} bytes`);
    }
    const previous = this.#buffer[this.#length - 1];
    this.#buffer[this.#length] = byte;
    this.#length += 1;
    if (byte !== BANG) return undefined;
    if (previous !== LF) return this.#refuse("p1-malformed", "an exclamation mark within a line");
    this.#bang = this.#length;
    this.#state = "checksum";
    return undefined;
  }

  #inChecksum(byte: number): FrameResult | undefined {
    if (HEX.test(String.fromCharCode(byte))) {
      if (this.#length === MAX_TELEGRAM_BYTES) {
        return this.#refuse("p1-too-long", `no end within ${MAX_TELEGRAM_BYTES} bytes`);
      }
      this.#buffer[this.#length] = byte;
      this.#length += 1;
      return this.#length - this.#bang === 4 ? this.#finish() : undefined;
    }
    if (byte === CR) {
      this.#state = "line-end";
      return undefined;
    }
    // A telegram whose lines end with CR LF ends so too: a bare LF here is a spoiled checksum digit.
    if (byte === LF && !this.#buffer.subarray(0, this.#bang).includes(CR)) return this.#finish();
    return this.#refuse("p1-malformed", "neither a checksum nor a line end after the exclamation mark");
  }

  #finish(): FrameResult {
    const raw = this.#buffer.slice(0, this.#length);
    const bytes = raw.subarray(0, this.#bang);
    const digits = String.fromCharCode(...raw.subarray(this.#bang));
    const checked = digits !== "";
    if (checked && !checksumHolds(bytes, Number.parseInt(digits, 16))) {
      const computed = crc16(bytes).toString(16).toUpperCase().padStart(4, "0");
      return this.#refuse("p1-crc", `the checksum says ${digits}, the bytes give ${computed}`);
    }
    this.#state = "outside";
    return { frame: { bytes, raw, offset: this.#offset, checked } };
  }

  #refuse(code: "p1-crc" | "p1-malformed" | "p1-too-long", what: string): FrameResult {
    this.#state = "outside";
    return { error: new EvidenceError(code, what, { byte: this.#offset }), skipped: this.#length };
  }
}

/**
 * Meters make the checksum over lines that end with CR LF. A capture saved as text has lost every CR, and with them no
 * digit of any value: it is checked with the line ends that the meter sent.
 */
function checksumHolds(bytes: Uint8Array, expected: number): boolean {
  if (crc16(bytes) === expected) return true;
  if (bytes.includes(CR)) return false;
  let crc = 0;
  for (const byte of bytes) crc = crc16(byte === LF ? Uint8Array.of(CR, LF) : Uint8Array.of(byte), crc);
  return crc === expected;
}
