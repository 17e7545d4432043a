/**
 * COSE_Sign1 (RFC 9052 section 4.2), the one envelope of statements and receipts:
 * `18([protected: bstr, unprotected: map, payload: bstr / nil, signature: bstr])`.
 *
 * @module
 */
import { BYTE_STRING, headLength, writeHead } from "./cbor/head.ts";
import { decodeCbor, encodeCbor, Tagged, type CborMap, type CborValue } from "./cbor.ts";
import { EvidenceError } from "./errors.ts";
import type { Slab } from "./slab.ts";

/** Tag of COSE_Sign1. */
const TAG = 18;
/** Receipts inside a header carry proofs inside byte strings; nothing else here is tagged. */
const TAGS = [TAG] as const;

/** The parts of one COSE_Sign1; byte strings are views on `bytes`, which are the bytes as received. */
export type Sign1 = {
  readonly bytes: Uint8Array;
  readonly protectedBytes: Uint8Array;
  readonly header: CborMap;
  readonly unprotected: CborMap;
  /** Null where the payload is detached, as in receipts. */
  readonly payload: Uint8Array | null;
  readonly signature: Uint8Array;
};

/**
 * Takes a tagged COSE_Sign1 apart. The protected header is not empty and deterministic; with `deterministicHeader: false` it may be in any order, as
 * receipts of other logs are.
 *
 * @throws EvidenceError `too-large`, `cose-malformed`, or a CBOR code
 */
export function parseSign1(
  bytes: Uint8Array,
  maxBytes: number,
  { deterministicHeader = true }: { readonly deterministicHeader?: boolean } = {},
): Sign1 {
  const outer = decodeCbor(bytes, { maxBytes, tags: TAGS, deterministic: deterministicHeader });
  if (
    !(outer instanceof Tagged) ||
    outer.tag !== TAG ||
    !Array.isArray(outer.value) ||
    outer.value.length !== 4
  ) {
    throw new EvidenceError("cose-malformed", "not a tagged COSE_Sign1");
  }
  const [protectedBytes, unprotected, payload, signature] = outer.value as readonly CborValue[];
  if (!(protectedBytes instanceof Uint8Array) || !(unprotected instanceof Map)) {
    throw new EvidenceError("cose-malformed", "the headers of a COSE_Sign1 are a byte string and a map");
  }
  if (!(signature instanceof Uint8Array) || !(payload === null || payload instanceof Uint8Array)) {
    throw new EvidenceError("cose-malformed", "payload or signature of a COSE_Sign1 is not a byte string");
  }
  if (protectedBytes.length === 0) throw new EvidenceError("cose-malformed", "the protected header is empty");
  const header = decodeCbor(protectedBytes, { maxBytes, deterministic: deterministicHeader });
  if (!(header instanceof Map))
    throw new EvidenceError("cose-malformed", "the protected header is not a map");
  return {
    bytes,
    protectedBytes,
    header: header as CborMap,
    unprotected: unprotected as CborMap,
    payload,
    signature,
  };
}

/** Writes a COSE_Sign1 around parts that are already encoded, which stay as they are. */
export const encodeSign1 = (
  parts: Pick<Sign1, "protectedBytes" | "unprotected" | "payload" | "signature">,
): Uint8Array =>
  encodeCbor(new Tagged(TAG, [parts.protectedBytes, parts.unprotected, parts.payload, parts.signature]));

/** `84 6a "Signature1"`, the fixed beginning of what is signed. */
const SIGNATURE1 = Uint8Array.of(0x84, 0x6a, 0x53, 0x69, 0x67, 0x6e, 0x61, 0x74, 0x75, 0x72, 0x65, 0x31);

/**
 * The bytes that a signature covers: `["Signature1", protected, external_aad, payload]` (RFC 9052 section 4.4).
 *
 * @param payload - the payload, or for a detached one what stands in for it (a receipt: the tree's root)
 * @param options - `memory` for the result, where many are needed for a moment
 */
export function toBeSigned(
  protectedBytes: Uint8Array,
  payload: Uint8Array,
  { externalAad = NO_BYTES, memory }: SignedOptions = {},
): Uint8Array {
  const length = SIGNATURE1.length + lengthOf(protectedBytes) + lengthOf(externalAad) + lengthOf(payload);
  const bytes = memory?.take(length) ?? new Uint8Array(length);
  bytes.set(SIGNATURE1);
  let at = SIGNATURE1.length;
  at = writePart(bytes, at, protectedBytes);
  at = writePart(bytes, at, externalAad);
  writePart(bytes, at, payload);
  return bytes;
}

type SignedOptions = { readonly externalAad?: Uint8Array; readonly memory?: Slab | undefined };

const lengthOf = (part: Uint8Array): number => headLength(part.length) + part.length;

function writePart(bytes: Uint8Array, at: number, part: Uint8Array): number {
  const from = writeHead(bytes, at, BYTE_STRING, part.length);
  if (part.length > 0) bytes.set(part, from);
  return from + part.length;
}

const NO_BYTES = new Uint8Array();
