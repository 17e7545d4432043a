/**
 * The bytes of a captured frame, from a file or a pipe: as they are, or as hexadecimal text.
 *
 * @module
 */
import { createReadStream } from "node:fs";
import process from "node:process";
import type { Readable } from "node:stream";
import { EvidenceError } from "@tallystick/evidence";

/** The stream of a file, or standard input where none is named. */
export const openCapture = (path: string | undefined): Readable =>
  path === undefined ? process.stdin : createReadStream(path);

/**
 * Hands on binary input as it is, and hexadecimal text as the bytes it stands for. It is text where the first piece, white
 * space aside, has nothing but hexadecimal digits: no frame of any device looks like that.
 *
 * @throws EvidenceError `text-malformed` where hexadecimal text goes on with something else, or stops within a byte
 */
export async function* captureBytes(
  input: AsyncIterable<unknown>,
): AsyncGenerator<Uint8Array, void, undefined> {
  let hex: HexReader | undefined;
  let decided = false;
  for await (const piece of input) {
    const chunk = typeof piece === "string" ? Buffer.from(piece) : piece;
    if (!(chunk instanceof Uint8Array)) throw new TypeError("a capture is made of bytes");
    if (!decided && chunk.some((byte) => !isSpace(byte))) {
      decided = true;
      if (chunk.every((byte) => isSpace(byte) || digitOf(byte) !== undefined)) hex = new HexReader();
    }
    if (decided) yield hex === undefined ? chunk : hex.read(chunk);
  }
  hex?.end();
}

const isSpace = (byte: number): boolean => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);

function digitOf(byte: number): number | undefined {
  const letter = byte | 0x20;
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : undefined;
}

/** Digits may be cut between pieces anywhere. */
class HexReader {
  #half: number | undefined;
  #position = 0;

  read(chunk: Uint8Array): Uint8Array {
    const bytes: number[] = [];
    for (const character of chunk) {
      const digit = digitOf(character);
      if (digit === undefined && !isSpace(character)) {
        throw new EvidenceError("text-malformed", "not a hexadecimal digit", { character: this.#position });
      }
      this.#position += 1;
      if (digit === undefined) continue;
      if (this.#half === undefined) this.#half = digit;
      else {
        bytes.push(this.#half * 16 + digit);
        this.#half = undefined;
      }
    }
    return Uint8Array.from(bytes);
  }

  end(): void {
    if (this.#half === undefined) return;
    throw new EvidenceError("text-malformed", "an odd number of hexadecimal digits", {
      character: this.#position,
    });
  }
}
