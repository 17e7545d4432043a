/**
 * A file as text, chunk by chunk, whatever its encoding; and its hash, which names it in the result.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import type { Faults } from "../faults.ts";

export type FileHash = { readonly sha256: string; readonly bytes: number };

const CHUNK_BYTES = 1 << 18;
const LINE_FEED = 10;

/**
 * Yields the text of a file, without a byte order mark, and returns the hash of its bytes.
 *
 * @param tick - told how many bytes were read so far
 * @throws ConfigError where a byte belongs to no character, with its line
 */
export async function* decodeFile(
  path: string,
  encoding: string,
  faults: Faults,
  tick: (bytes: number) => void = () => undefined,
): AsyncGenerator<string, FileHash> {
  const decoder = new TextDecoder(encoding, { fatal: true });
  const hash = createHash("sha256");
  let bytes = 0;
  let lines = 1;
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES })) {
    const piece = chunk as Uint8Array;
    hash.update(piece);
    bytes += piece.length;
    tick(bytes);
    let text: string;
    try {
      text = decoder.decode(piece, { stream: true });
    } catch {
      const line = lines + linesBefore(piece, encoding);
      faults.stop(
        line,
        undefined,
        `a byte that is no character of ${encoding}; set csv.encoding to the one the file has`,
      );
    }
    lines += count(text, "\n");
    if (text !== "") yield text;
  }
  try {
    const last = decoder.decode();
    if (last !== "") yield last;
  } catch {
    faults.stop(
      lines,
      undefined,
      `the file ends in the middle of a character of ${encoding}; get the whole file, or set csv.encoding`,
    );
  }
  return { sha256: hash.digest("hex"), bytes };
}

/** Whole lines of a chunk before the one with the bad byte. UTF-16 is taken as a whole: its line feeds are no single bytes. */
function linesBefore(piece: Uint8Array, encoding: string): number {
  if (encoding.startsWith("utf-16")) return 0;
  const isGood = (from: number, to?: number): boolean => {
    try {
      // What is left behind the last line feed may break off within a character.
      new TextDecoder(encoding, { fatal: true }).decode(piece.subarray(from, to), {
        stream: to === undefined,
      });
      return true;
    } catch {
      return false;
    }
  };
  let lines = 0;
  let start = carriedOver(piece, encoding);
  for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, start)) {
    if (!isGood(start, end)) return lines;
    lines++;
    start = end + 1;
  }
  // Where nothing here is bad by itself, what the chunk before has begun doesn't go on.
  return isGood(start) ? 0 : lines;
}

/** Bytes of a character that the chunk before has begun, in UTF-8. */
function carriedOver(piece: Uint8Array, encoding: string): number {
  if (encoding !== "utf-8") return 0;
  let bytes = 0;
  while (bytes < 3 && ((piece[bytes] ?? 0) & 0xc0) === 0x80) bytes++;
  return bytes;
}

function count(text: string, what: string): number {
  let found = 0;
  for (let at = text.indexOf(what); at >= 0; at = text.indexOf(what, at + 1)) found++;
  return found;
}
