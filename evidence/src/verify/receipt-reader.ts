/**
 * Reads receipts of batches that are known: one signature serves a whole batch, so after the first of its receipts only the path is new. A receipt
 * of another form, or of a batch that is not known, is for the strict reader.
 *
 * @module
 */
import { ByteReader } from "../byte-reader.ts";
import { equalBytes } from "../bytes.ts";
import type { BatchClaims, Receipt } from "../receipt.ts";
import { HASH_BYTES } from "../sha256.ts";

/** Batches kept: about half a kilobyte each. */
const MAX_BATCHES = 32_768;
/** A path's hashes, each with its head `58 20`. */
const STRIDE = 2 + HASH_BYTES;

/** A tree whose signature was verified, and the root that it is over. */
export type KnownBatch = {
  readonly claims: BatchClaims;
  readonly root: Uint8Array;
  readonly protectedBytes: Uint8Array;
  readonly signature: Uint8Array;
  /** Receipts of it that were read so far. */
  uses: number;
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

  /** Undefined where it isn't of a known batch, or not in the form in which `encodeReceipt` writes. */
  read(bytes: Uint8Array): ReadReceipt | undefined {
    // The signature ends the receipt: it tells which batch this is.
    if (bytes.length < 80) return undefined;
    const batch = this.#known.get(nameOf(bytes, bytes.length - 64));
    if (batch === undefined) return undefined;
    const reader = new ByteReader(bytes);
    reader.expect(0xd2, 0x84);
    const protectedBytes = reader.byteString();
    reader.expect(0xa1, 0x19, 0x01, 0x8c, 0xa1, 0x20, 0x81);
    const proofLength = reader.head(2);
    const proofStart = reader.at;
    reader.expect(0x83);
    const size = reader.head(0);
    const index = reader.head(0);
    const count = reader.head(4);
    const at = reader.at + 2;
    if (!reader.good || count === 0 || count > 64 || reader.at + count * STRIDE + 67 !== bytes.length)
      return undefined;
    for (let i = 0; i < count; i++, reader.at += STRIDE)
      if (bytes[reader.at] !== 0x58 || bytes[reader.at + 1] !== 0x20) return undefined;
    if (reader.at - proofStart !== proofLength) return undefined;
    reader.expect(0xf6, 0x58, 0x40);
    const same =
      reader.good &&
      size === batch.claims.size &&
      equalBytes(protectedBytes, batch.protectedBytes) &&
      equalBytes(bytes.subarray(reader.at), batch.signature);
    if (!same) return undefined;
    batch.uses++;
    return { batch, index, bytes, at, count };
  }

  /** Remembers a batch by a receipt that was verified. */
  remember({ origin, timeUnixS, size, registry, keysRoot, sign1 }: Receipt, root: Uint8Array): void {
    if (this.#known.size >= MAX_BATCHES) this.#known.clear();
    const { protectedBytes, signature } = sign1;
    // Copies: these are views on what was read, which would be kept with them.
    this.#known.set(nameOf(signature, 0), {
      claims: {
        origin,
        timeUnixS,
        size,
        registry: { count: registry.count, last: registry.last.slice() },
        keysRoot: keysRoot.slice(),
      },
      root,
      protectedBytes: protectedBytes.slice(),
      signature: signature.slice(),
      uses: 0,
    });
  }
}

/** Six bytes of a signature: enough to find it by; that it is the very one is compared. */
const nameOf = (bytes: Uint8Array, at: number): number => {
  let name = 0;
  for (let i = at; i < at + 6; i++) name = name * 256 + (bytes[i] as number);
  return name;
};
