/**
 * The inclusion proof of a receipt (RFC 9942 section 5.2): `[size, index, [+ hash]]`, as a byte string of its own.
 *
 * These are most of what a log sends and a device reads: they are written and read byte by byte, and their hashes stay where they came in.
 *
 * @module
 */
import { ByteReader } from "../cbor/byte-reader.ts";
import { equalRange } from "../bytes.ts";
import { ARRAY, BYTE_STRING, headLength, UINT, writeHead } from "../cbor/head.ts";
import { decodeCbor } from "../cbor.ts";
import { EvidenceError } from "../errors.ts";
import type { Path } from "./merkle.ts";
import { HASH_BYTES } from "../sha256.ts";
import { asBytes, asUint, tuple } from "../shape.ts";

/** Where an entry is in the tree. `path` leads from its leaf to the root (RFC 9162 section 2.1.3). */
export type Proof = { readonly size: number; readonly index: number; readonly path: Path };

/** A proof as it came in. */
export type ReadProof = Proof & { readonly path: PackedPath };

/** The head of a hash, `58 20`, and the hash. */
const HEAD_BYTES = headLength(HASH_BYTES);
const STRIDE = HEAD_BYTES + HASH_BYTES;
const MAX_HASHES = 64;
const MAX_BYTES = 4096;

/** A path as it stands in a proof: hashes with their heads, one behind the other. */
class PackedPath implements Path {
  readonly #bytes: Uint8Array;
  readonly length: number;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.length = bytes.length / STRIDE;
  }

  /** A view of one hash. */
  at(index: number): Uint8Array | undefined {
    return index < this.length
      ? this.#bytes.subarray(index * STRIDE + HEAD_BYTES, (index + 1) * STRIDE)
      : undefined;
  }

  /** True where this path from `from` on is the other one from `otherFrom` on, to the end of both. */
  endsAs(from: number, other: PackedPath, otherFrom: number): boolean {
    const length = this.length - from;
    if (length !== other.length - otherFrom) return false;
    return equalRange(this.#bytes, from * STRIDE, other.#bytes, otherFrom * STRIDE, length * STRIDE);
  }
}

export function encodeProof(size: number, index: number, path: Path): Uint8Array {
  const heads = 1 + headLength(size) + headLength(index) + headLength(path.length);
  const bytes = new Uint8Array(heads + STRIDE * path.length);
  let at = writeHead(bytes, 0, ARRAY, 3);
  at = writeHead(bytes, at, UINT, size);
  at = writeHead(bytes, at, UINT, index);
  at = writeHead(bytes, at, ARRAY, path.length);
  for (let i = 0; i < path.length; i++) {
    at = writeHead(bytes, at, BYTE_STRING, HASH_BYTES);
    bytes.set(asBytes(path.at(i), HASH_BYTES, "path hash"), at);
    at += HASH_BYTES;
  }
  return bytes;
}

/** Reads `[size, index, [+ hash]]`. @throws EvidenceError a code of CBOR or of a closed shape */
export function parseProof(bytes: Uint8Array): ReadProof {
  return quickly(bytes) ?? strictly(bytes);
}

function quickly(bytes: Uint8Array): ReadProof | undefined {
  const reader = new ByteReader(bytes);
  reader.expect(THREE);
  const [size, index, length] = [reader.head(UINT), reader.head(UINT), reader.head(ARRAY)];
  const start = reader.at;
  if (!reader.good || length === 0 || length > MAX_HASHES || bytes.length !== start + length * STRIDE)
    return undefined;
  for (let at = start; at < bytes.length; at += STRIDE)
    if (bytes[at] !== HASH_HEAD[0] || bytes[at + 1] !== HASH_HEAD[1]) return undefined;
  return { size, index, path: new PackedPath(bytes.subarray(start)) };
}

const THREE = [0x83];
const HASH_HEAD = [0x58, HASH_BYTES] as const;

/** Says what is wrong; and reads numbers beyond 32 bits. */
function strictly(bytes: Uint8Array): ReadProof {
  const [size, index, path] = tuple(decodeCbor(bytes, { maxBytes: MAX_BYTES }), 3, "proof");
  if (!Array.isArray(path) || path.length === 0 || path.length > MAX_HASHES) {
    throw new EvidenceError("proof-length", `a path has 1 to ${MAX_HASHES} hashes`);
  }
  for (const hash of path) asBytes(hash, HASH_BYTES, "path hash");
  // Each item has one encoding: nothing but the hashes, each with its head, ends the bytes.
  const packed = new PackedPath(bytes.subarray(bytes.length - path.length * STRIDE));
  return { size: asUint(size, "proof size"), index: asUint(index, "proof index"), path: packed };
}
