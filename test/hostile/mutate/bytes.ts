/**
 * Changes that know nothing of what the bytes mean: bits, bytes, pieces, lengths, cuts, splices.
 *
 * @module
 */
import { concatBytes } from "@tallystick/evidence";
import type { Random } from "../random.ts";

/** Bytes that mean something to somebody: heads of CBOR, line ends, marks, lengths. */
const PIECES = [
  "00",
  "17",
  "1800",
  "1b001fffffffffffff",
  "1bffffffffffffffff",
  "20",
  "3b7fffffffffffffff",
  "40",
  "5820",
  "5fff",
  "60",
  "7fff",
  "80",
  "9f",
  "9b7fffffffffffffff",
  "a0",
  "bf",
  "c1",
  "c4822001",
  "d2",
  "d9d9f7",
  "f4",
  "f5",
  "f6",
  "f7",
  "f97e00",
  "fb3ff8000000000000",
  "fb7ff0000000000000",
  "ff",
  "0a",
  "0d0a",
  "0a0a",
  "2f",
  "21",
  "efbbbf",
  "c080",
  "eda080",
  "f4908080",
].map((hex) => new Uint8Array(Buffer.from(hex, "hex")));

const flipBit = (bytes: Uint8Array, random: Random): Uint8Array => {
  const changed = Uint8Array.from(bytes);
  const at = random.below(bytes.length);
  changed[at] = (changed[at] ?? 0) ^ (1 << random.below(8));
  return changed;
};

function putByte(bytes: Uint8Array, random: Random): Uint8Array {
  const changed = Uint8Array.from(bytes);
  changed[random.below(bytes.length)] = random.next() & 255;
  return changed;
}

/** A byte up or down by a little: what lengths and counts are made of. */
function nudge(bytes: Uint8Array, random: Random): Uint8Array {
  const changed = Uint8Array.from(bytes);
  const at = random.below(bytes.length);
  changed[at] = ((changed[at] ?? 0) + random.pick([-16, -2, -1, 1, 2, 16])) & 255;
  return changed;
}

function insert(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length + 1);
  const piece = random.chance(0.6) ? random.pick(PIECES) : random.bytes(1 + random.below(12));
  return concatBytes(bytes.subarray(0, at), piece, bytes.subarray(at));
}

function overwrite(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length + 1);
  const piece = random.chance(0.7) ? random.pick(PIECES) : random.bytes(1 + random.below(12));
  return concatBytes(bytes.subarray(0, at), piece, bytes.subarray(at + piece.length));
}

function remove(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length);
  return concatBytes(bytes.subarray(0, at), bytes.subarray(at + 1 + random.below(40)));
}

function double(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length);
  const end = Math.min(bytes.length, at + 1 + random.below(80));
  return concatBytes(bytes.subarray(0, end), bytes.subarray(at, end), bytes.subarray(end));
}

/** Two pieces of one length change places. */
function swap(bytes: Uint8Array, random: Random): Uint8Array {
  const changed = Uint8Array.from(bytes);
  const length = 1 + random.below(33);
  const [a, b] = [random.below(bytes.length - length), random.below(bytes.length - length)];
  changed.set(bytes.subarray(a, a + length), b);
  changed.set(bytes.subarray(b, b + length), a);
  return changed;
}

/** Zeros, ones or one value in the place of a piece: an empty hash, a point of small order. */
function blank(bytes: Uint8Array, random: Random): Uint8Array {
  const at = random.below(bytes.length);
  return Uint8Array.from(bytes).fill(
    random.pick([0, 0, 255, random.next() & 255]),
    at,
    at + 1 + random.below(64),
  );
}

/** One small change. */
export const editBytes = (bytes: Uint8Array, random: Random): Uint8Array =>
  bytes.length === 0
    ? insert(bytes, random)
    : random.oneOf([
        [4, () => flipBit(bytes, random)],
        [2, () => putByte(bytes, random)],
        [3, () => nudge(bytes, random)],
        [3, () => insert(bytes, random)],
        [3, () => overwrite(bytes, random)],
        [3, () => remove(bytes, random)],
        [2, () => double(bytes, random)],
        [1, () => swap(bytes, random)],
        [1, () => blank(bytes, random)],
      ]);

/** The beginning of one and the end of another. */
export const splice = (a: Uint8Array, b: Uint8Array, random: Random): Uint8Array =>
  concatBytes(a.subarray(0, random.below(a.length + 1)), b.subarray(random.below(b.length + 1)));

/** As many bytes as there were, from wherever `b` happens to stand: pieces keep their places. */
export function transplant(a: Uint8Array, b: Uint8Array, random: Random): Uint8Array {
  const at = random.below(Math.min(a.length, b.length));
  const length = 1 + random.below(96);
  return concatBytes(a.subarray(0, at), b.subarray(at, at + length), a.subarray(at + length));
}
