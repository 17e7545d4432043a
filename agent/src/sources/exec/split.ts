/**
 * Bytes to lines. Holds at most one line of {@link MAX_LINE_BYTES}; a longer one is told of once, and passed over up to its end.
 *
 * @module
 */
import { EvidenceError } from "@tallystick/evidence";
import { MAX_LINE_BYTES } from "./line.ts";

const LF = 0x0a;
const CR = 0x0d;

export class LineSplitter {
  #held: Uint8Array[] = [];
  #length = 0;
  #tooLong = false;

  /** Takes in bytes and gives the lines that they complete, without their ends. Chunks may be cut anywhere; an empty line is none. */
  *push(chunk: Uint8Array): Generator<Uint8Array | EvidenceError, void, undefined> {
    let from = 0;
    for (;;) {
      const end = chunk.indexOf(LF, from);
      if (end < 0) break;
      this.#hold(chunk.subarray(from, end));
      yield* this.#finish();
      from = end + 1;
    }
    this.#hold(chunk.subarray(from));
  }

  /** The stream has ended: a line without an end may be half of one, and is refused. */
  *end(): Generator<EvidenceError, void, undefined> {
    if (this.#length > 0 || this.#tooLong)
      yield new EvidenceError("line-malformed", "the last line has no end: half of it may be missing");
    this.#held = [];
    this.#length = 0;
    this.#tooLong = false;
  }

  #hold(part: Uint8Array): void {
    if (part.length === 0 || this.#tooLong) return;
    this.#length += part.length;
    if (this.#length > MAX_LINE_BYTES + 1) {
      this.#tooLong = true; // one byte more than the limit may be the carriage return
      this.#held = [];
    } else this.#held.push(part.slice());
  }

  *#finish(): Generator<Uint8Array | EvidenceError, void, undefined> {
    const line = Buffer.concat(this.#held);
    const whole = line.at(-1) === CR ? line.subarray(0, -1) : line;
    const isTooLong = this.#tooLong || whole.length > MAX_LINE_BYTES;
    this.#held = [];
    this.#length = 0;
    this.#tooLong = false;
    if (isTooLong) yield new EvidenceError("too-large", `a line of more than ${MAX_LINE_BYTES} bytes`);
    else if (whole.length > 0) yield whole;
  }
}
