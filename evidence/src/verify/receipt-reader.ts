/**
 * Reads receipts of batches that are known: one signature serves a whole batch, so after the first of its receipts only the path is new. A receipt
 * of another form, or of a batch that is not known, is for the strict reader.
 *
 * @module
 */
import { ByteReader } from "../cbor/byte-reader.ts";
import { concatBytes, equalRange } from "../bytes.ts";
import { BYTE_STRING, headLength, writeHead } from "../cbor/head.ts";
import type { Receipt, SignedTree } from "../ledger/receipt.ts";
import { HASH_BYTES } from "../sha256.ts";
import { SIGNATURE_BYTES } from "../keys/signature.ts";

/** Batches kept: about two kilobytes each. */
const MAX_BATCHES = 16_384;
/** A path's hashes, each with its head `58 20`. */
const STRIDE = 2 + HASH_BYTES;

/** Tag 18 and an array of four; `{396: {-1: [` and one proof; an array of three; nil, and the head of 64 bytes. */
const SIGN1 = Uint8Array.of(0xd2, 0x84);
const WITH_PROOF = Uint8Array.of(0xa1, 0x19, 0x01, 0x8c, 0xa1, 0x20, 0x81);
const THREE = [0x83];
const DETACHED = Uint8Array.of(0xf6, 0x58, 0x40);

/** A tree whose signature was verified. */
export type KnownBatch = {
  readonly tree: SignedTree;
  /** What stands before the proof of each of its receipts, and what behind it. */
  readonly before: Uint8Array;
  readonly behind: Uint8Array;
  /** Receipts of it that were read so far. */
  uses: number;
  /** From the second receipt on: others meet it. */
  good?: GoodPath;
};

/** The path that was good last, as it stands in its receipt, and the hashes of the subtrees over its leaf, by level. */
export type GoodPath = {
  index: number;
  path: Uint8Array;
  readonly own: Uint8Array;
};

/** A receipt of one proof: `count` hashes begin at `at` in `bytes`, every 34 bytes. */
export type ReadReceipt = {
  readonly batch: KnownBatch;
  readonly index: number;
  readonly bytes: Uint8Array;
  readonly at: number;
  readonly count: number;
};

export class ReceiptReader {
  readonly #known = new Map<number, KnownBatch>();

  /** The two read last: a statement's receipts are looked at twice. */
  #last: ReadReceipt | undefined;
  #before: ReadReceipt | undefined;

  /** Undefined where it isn't of a known batch, or not in the form in which `encodeReceipt` writes. */
  read(bytes: Uint8Array): ReadReceipt | undefined {
    if (this.#last?.bytes === bytes) return this.#last;
    if (this.#before?.bytes === bytes) return this.#before;
    const found = this.#read(bytes);
    if (found !== undefined) {
      this.#before = this.#last;
      this.#last = found;
    }
    return found;
  }

  #read(bytes: Uint8Array): ReadReceipt | undefined {
    // The signature ends the receipt: it tells which batch this is.
    if (bytes.length < 80) return undefined;
    const batch = this.#known.get(nameOf(bytes, bytes.length - SIGNATURE_BYTES));
    if (batch === undefined || !isAt(bytes, 0, batch.before)) return undefined;
    const reader = new ByteReader(bytes, batch.before.length);
    const proofLength = reader.head(2);
    const proofStart = reader.at;
    reader.expect(THREE);
    const size = reader.head(0);
    const index = reader.head(0);
    const count = reader.head(4);
    const at = reader.at + 2;
    const end = reader.at + count * STRIDE;
    const fits = count > 0 && count <= 64 && end - proofStart === proofLength;
    if (!reader.good || !fits || end + batch.behind.length !== bytes.length) return undefined;
    for (let one = reader.at; one < end; one += STRIDE)
      if (bytes[one] !== 0x58 || bytes[one + 1] !== 0x20) return undefined;
    if (size !== batch.tree.size || !isAt(bytes, end, batch.behind)) return undefined;
    batch.uses++;
    return { batch, index, bytes, at, count };
  }

  /** Remembers a batch by a receipt that was verified, if it is in the form in which `encodeReceipt` writes. */
  remember({ bytes, sign1 }: Receipt, tree: SignedTree): void {
    const { protectedBytes, signature } = sign1;
    const head = new Uint8Array(headLength(protectedBytes.length));
    writeHead(head, 0, BYTE_STRING, protectedBytes.length);
    const before = concatBytes(SIGN1, head, protectedBytes, WITH_PROOF);
    if (!isAt(bytes, 0, before)) return;
    if (this.#known.size >= MAX_BATCHES) this.#known.clear();
    this.#known.set(nameOf(signature, 0), {
      tree,
      before,
      behind: concatBytes(DETACHED, signature),
      uses: 0,
    });
  }
}

const isAt = (bytes: Uint8Array, at: number, expected: Uint8Array): boolean =>
  equalRange(bytes, at, expected, 0, expected.length);

/** Four bytes of a signature, as an integer: enough to find it by; that it is the very one is compared. */
const nameOf = (bytes: Uint8Array, at: number): number =>
  ((bytes[at] as number) << 24) |
  ((bytes[at + 1] as number) << 16) |
  ((bytes[at + 2] as number) << 8) |
  (bytes[at + 3] as number);
