/**
 * CBOR sequences of a case's files: cut into their items by the heads alone, without looking into what they hold. Whoever reads an item does it
 * strictly.
 *
 * @module
 */
import { EvidenceError } from "@tallystick/evidence";

/** A file of a case: smaller than this. */
export const MAX_FILE_BYTES = 64 << 20;

const MAX_DEPTH = 8;

/**
 * Where the item that begins at `at` ends; -1 where the bytes end before it does.
 *
 * @param offset - where in the file the bytes begin
 * @throws EvidenceError `case-malformed` for what is no item, however it goes on
 */
export function itemEnd(bytes: Uint8Array, at: number, path: string, offset = 0, depth = 0): number {
  const initial = bytes[at];
  if (depth > MAX_DEPTH) throw malformed(path, offset + at);
  if (initial === undefined) return -1;
  const major = initial >> 5;
  const info = initial & 31;
  let next = at + 1;
  let argument = info;
  if (info >= 24) {
    const width = 2 ** (info - 24);
    if (info > 27) throw malformed(path, offset + at);
    if (next + width > bytes.length) return -1;
    argument = 0;
    for (let i = 0; i < width; i++) argument = argument * 256 + (bytes[next + i] as number);
    next += width;
  }
  if (major === 2 || major === 3) next += argument;
  const items = major === 4 ? argument : major === 5 ? 2 * argument : major === 6 ? 1 : 0;
  // hostile: each item takes a byte at least, so a count that lies ends at the end of the bytes
  for (let left = items; left > 0; left--) {
    next = itemEnd(bytes, next, path, offset, depth + 1);
    if (next < 0) return -1;
  }
  return next > bytes.length ? -1 : next;
}

/** The items of a file, one after the other, each with its offset. */
export function* sequenceItems(
  bytes: Uint8Array,
  path: string,
): Generator<{ readonly offset: number; readonly bytes: Uint8Array }> {
  for (let offset = 0; offset < bytes.length;) {
    const end = itemEnd(bytes, offset, path);
    if (end < 0) throw malformed(path, offset);
    yield { offset, bytes: bytes.subarray(offset, end) };
    offset = end;
  }
}

export const malformed = (path: string, at: number): EvidenceError =>
  new EvidenceError("case-malformed", `${path}: no whole item at ${at}`, { path, at });
