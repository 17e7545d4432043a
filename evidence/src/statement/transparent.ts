/**
 * Transparent statements (RFC 9943): a statement with receipts in its unprotected header, as archives, cases and bundles hold them.
 *
 * @module
 */
import { ByteReader } from "../cbor/byte-reader.ts";
import type { CborMap } from "../cbor.ts";
import { encodeSign1, parseSign1 } from "../cose.ts";
import { EvidenceError } from "../errors.ts";
import { LastNames, readPlainHeader } from "./plain-header.ts";
import { sha256, type Hash } from "../sha256.ts";
import { SIGNATURE_BYTES } from "../keys/signature.ts";
import { Slab } from "../slab.ts";
import { EMPTY, interpret, judged, parseStatement, type EachReading, type Statement } from "./statement.ts";
import { LIMITS } from "../topics.ts";

/** A statement with its receipts, which are not parsed. */
export type Transparent = { readonly statement: Statement; readonly receipts: readonly Uint8Array[] };

/** Label of the receipts in the unprotected header of a transparent statement (RFC 9942). */
const RECEIPTS = 394;
const MAX_TRANSPARENT_BYTES =
  LIMITS.maxStatementBytes + LIMITS.maxReceiptsPerStatement * (LIMITS.maxReceiptBytes + 5) + 16;

/**
 * Reads a transparent statement.
 *
 * @param each - is told the readings on the way, where it has some
 * @throws EvidenceError `cose-unprotected` unless the unprotected header holds 1 to 16 receipts and nothing else; and as {@link parseStatement}
 */
export function parseTransparent(bytes: Uint8Array, hash: Hash = sha256, each?: EachReading): Transparent {
  return read(bytes, hash, each);
}

/**
 * Reads many transparent statements, one after the other: names that are those of the one before aren't decoded again, and statements share memory. Whoever keeps
 * one of them, or a part of it, for long copies it.
 */
export class TransparentReader {
  readonly #hash: Hash;
  readonly #names = new LastNames();
  readonly #memory = new Slab();

  constructor(hash: Hash) {
    this.#hash = hash;
  }

  /** @throws EvidenceError as {@link parseTransparent} */
  read(bytes: Uint8Array, each?: EachReading): Transparent {
    return read(bytes, this.#hash, each, this.#names, this.#memory);
  }
}

function read(
  bytes: Uint8Array,
  hash: Hash,
  each: EachReading,
  names?: LastNames,
  memory?: Slab,
): Transparent {
  const plain = stripped(bytes, memory);
  if (plain === undefined) return strictly(bytes, hash, each);
  const { receipts, sign1, payload } = plain;
  const header =
    sign1.bytes.length <= LIMITS.maxStatementBytes && sign1.signature.length === SIGNATURE_BYTES
      ? readPlainHeader(sign1.protectedBytes, payload, names)
      : undefined;
  const statement =
    header === undefined ? parseStatement(sign1.bytes, hash, each) : judged(sign1, header, hash, each);
  return { statement, receipts };
}

function strictly(bytes: Uint8Array, hash: Hash, each: EachReading): Transparent {
  const sign1 = parseSign1(bytes, MAX_TRANSPARENT_BYTES);
  const receipts = readReceipts(sign1.unprotected);
  const statement = encodeSign1({ ...sign1, unprotected: EMPTY });
  if (statement.length > LIMITS.maxStatementBytes) {
    throw new EvidenceError("too-large", `a statement has at most ${LIMITS.maxStatementBytes} bytes`);
  }
  return { statement: interpret({ ...sign1, bytes: statement, unprotected: EMPTY }, hash, each), receipts };
}

/** Tag 18 and an array of four; a map of one, label 394. */
const SIGN1 = [0xd2, 0x84];
const WITH_RECEIPTS = [0xa1, 0x19, 0x01, 0x8a];

type Stripped = {
  readonly sign1: Statement["sign1"];
  readonly payload: Uint8Array;
  readonly receipts: readonly Uint8Array[];
};

/**
 * The statement without its receipts, where its parts stand as {@link encodeTransparent} writes them; whoever reads many of them saves most of the time so.
 * Undefined where they don't: what is wrong then is told by the strict reader.
 */
function stripped(bytes: Uint8Array, memory: Slab | undefined): Stripped | undefined {
  if (bytes.length > MAX_TRANSPARENT_BYTES) return undefined;
  const reader = new ByteReader(bytes);
  reader.expect(SIGN1);
  const protectedLength = reader.head(2);
  reader.at += protectedLength;
  const headersEnd = reader.at;
  reader.expect(WITH_RECEIPTS);
  const count = reader.head(4);
  if (!reader.good || count === 0 || count > LIMITS.maxReceiptsPerStatement) return undefined;
  const receipts: Uint8Array[] = [];
  for (let i = 0; i < count; i++) receipts.push(reader.byteString());
  const rest = reader.at;
  const payloadLength = reader.head(2);
  const payloadEnd = reader.at + payloadLength;
  reader.at = payloadEnd;
  const signatureLength = reader.head(2);
  reader.at += signatureLength;
  if (!reader.whole || receipts.some(({ length }) => length > LIMITS.maxReceiptBytes)) return undefined;
  const length = headersEnd + 1 + bytes.length - rest;
  const statement = memory?.take(length) ?? new Uint8Array(length);
  statement.set(bytes.subarray(0, headersEnd));
  statement.set(bytes.subarray(rest), headersEnd + 1);
  statement[headersEnd] = 0xa0;
  const moved = headersEnd + 1 - rest;
  const payload = statement.subarray(payloadEnd - payloadLength + moved, payloadEnd + moved);
  const sign1 = {
    bytes: statement,
    protectedBytes: statement.subarray(headersEnd - protectedLength, headersEnd),
    unprotected: EMPTY,
    payload,
    signature: statement.subarray(statement.length - signatureLength),
  };
  return { sign1, payload, receipts };
}

function readReceipts(unprotected: CborMap): readonly Uint8Array[] {
  const receipts = unprotected.get(RECEIPTS);
  if (unprotected.size !== 1 || !Array.isArray(receipts)) {
    throw new EvidenceError(
      "cose-unprotected",
      "a transparent statement has receipts, and nothing else, unprotected",
    );
  }
  return checkReceipts(receipts as readonly unknown[]);
}

function checkReceipts(receipts: readonly unknown[]): readonly Uint8Array[] {
  if (receipts.length === 0 || receipts.length > LIMITS.maxReceiptsPerStatement) {
    throw new EvidenceError(
      "cose-unprotected",
      `a statement carries 1 to ${LIMITS.maxReceiptsPerStatement} receipts`,
    );
  }
  return receipts.map((receipt) => {
    if (!(receipt instanceof Uint8Array))
      throw new EvidenceError("cose-unprotected", "a receipt is a byte string");
    if (receipt.length <= LIMITS.maxReceiptBytes) return receipt;
    throw new EvidenceError("too-large", `a receipt has at most ${LIMITS.maxReceiptBytes} bytes`);
  });
}

/**
 * Puts receipts to a statement; its signed parts stay as they are.
 *
 * @param receipts - 1 to 16
 * @throws EvidenceError `cose-unprotected`, `too-large`, or a code of COSE where `statementBytes` is no COSE_Sign1
 */
export function encodeTransparent(statementBytes: Uint8Array, receipts: readonly Uint8Array[]): Uint8Array {
  const sign1 = parseSign1(statementBytes, LIMITS.maxStatementBytes);
  return encodeSign1({ ...sign1, unprotected: new Map([[RECEIPTS, checkReceipts(receipts)]]) });
}
