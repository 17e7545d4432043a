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
 * Where the item that begins at `at` ends.
 *
 * @throws EvidenceError `case-malformed` where it doesn't within the bytes
 */
function itemEnd(bytes: Uint8Array, at: number, path: string, depth = 0): number {
  const initial = bytes[at];
  const major = (initial ?? 0) >> 5;
  const info = (initial ?? 0) & 31;
  let next = at + 1;
  let argument = info;
  if (info >= 24) {
    const width = 2 ** (info - 24);
    if (info > 27 || next + width > bytes.length) throw malformed(path, at);
    argument = 0;
    for (let i = 0; i < width; i++) argument = argument * 256 + (bytes[next + i] as number);
    next += width;
  }
  if (initial === undefined || depth > MAX_DEPTH) throw malformed(path, at);
  if (major === 2 || major === 3) next += argument;
  const items = major === 4 ? argument : major === 5 ? 2 * argument : major === 6 ? 1 : 0;
  // hostile: each item takes a byte at least, so a count that lies ends at the end of the bytes
  for (let left = items; left > 0; left--) next = itemEnd(bytes, next, path, depth + 1);
  if (next > bytes.length) throw malformed(path, at);
  return next;
}

/** The items of a file, one after the other, each with its offset. */
export function* sequenceItems(
  bytes: Uint8Array,
  path: string,
): Generator<{ readonly offset: number; readonly bytes: Uint8Array }> {
  for (let offset = 0; offset < bytes.length;) {
    const end = itemEnd(bytes, offset, path);
    yield { offset, bytes: bytes.subarray(offset, end) };
    offset = end;
  }
}

const malformed = (path: string, at: number): EvidenceError =>
  new EvidenceError("case-malformed", `${path}: no whole item at ${at}`, { path, at });
