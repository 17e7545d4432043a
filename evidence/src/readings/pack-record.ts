/**
 * The records of a SenML pack as they stand, one after another: which fields each has, and of what type. What they mean together is
 * said in `pack-read.ts`.
 *
 * @module
 */
import { scanItem } from "../cbor/scan.ts";
import type { Decimal } from "../decimal.ts";
import { EvidenceError, isEvidenceError, type EvidenceCode } from "../errors.ts";
import { CborCursor } from "../cbor/cursor.ts";
import { LABEL } from "./reading.ts";
import { LIMITS } from "../topics.ts";

/** Fields by slot: their label and 6, then the two extensions. A set of them is a number with one bit a slot. */
export const SLOT = {
  bs: 0,
  bv: 1,
  bu: 2,
  bt: 3,
  bn: 4,
  bver: 5,
  n: 6,
  u: 7,
  v: 8,
  vs: 9,
  vb: 10,
  s: 11,
  t: 12,
  ut: 13,
  vd: 14,
  q: 15,
  rx: 16,
} as const;
export type Slot = (typeof SLOT)[keyof typeof SLOT];
const SLOTS = Object.keys(SLOT).length;
const SLOT_OF_LABEL_0 = SLOT.n;

const LETTER_Q = 0x71;
const LETTER_R = 0x72;
const LETTER_X = 0x78;

/**
 * The records of one pack. `next()` goes from one to the next, and the readers below read fields of the record at hand: only the places
 * of its fields are remembered, so a field may be read twice, or not at all.
 *
 * Errors: `senml-malformed` for a field of the wrong type, `unknown-member` for a field outside the profile, with `where.record`.
 */
export class PackRecords {
  readonly bytes: Uint8Array;
  /** Records in the pack, 1 to 4096. */
  readonly count: number;
  /** Number of the record at hand, from 0. */
  index = -1;
  /** The fields that the record at hand has, one bit a slot. */
  present = 0;
  /** Where the text read last by {@link span} begins and ends in `bytes`. */
  start = 0;
  end = 0;
  readonly #cursor: CborCursor;
  /** Where each field stands; a pack is short enough for 16 bits. */
  readonly #at = new Uint16Array(SLOTS);
  #next: number;

  /** @throws EvidenceError `senml-malformed`, `too-large`, or a CBOR code */
  constructor(bytes: Uint8Array) {
    scanPack(bytes);
    this.bytes = bytes;
    this.#cursor = new CborCursor(bytes);
    this.#cursor.head();
    this.#next = this.#cursor.at;
    this.count = this.#cursor.argument;
    if (this.#cursor.major !== 4 || this.count === 0)
      this.fail("senml-malformed", "a pack is an array of records");
    if (this.count > LIMITS.maxRecords)
      this.fail("too-large", `a pack has at most ${LIMITS.maxRecords} records`);
  }

  /** @returns false behind the last record */
  next(): boolean {
    if (++this.index >= this.count) return false;
    const cursor = this.#cursor;
    cursor.at = this.#next;
    cursor.head();
    if (cursor.major !== 5) this.fail("senml-malformed", "a record is a map");
    this.present = 0;
    for (let left = cursor.argument; left > 0; left--) {
      const slot = this.#key();
      this.#at[slot] = cursor.at;
      this.present |= 1 << slot;
      cursor.skip();
    }
    this.#next = cursor.at;
    return true;
  }

  has(slot: Slot): boolean {
    return (this.present & (1 << slot)) !== 0;
  }

  /** Reads an integer or a decimal, which then stands in the cursor. */
  number(slot: Slot): CborCursor {
    this.#seek(slot);
    if (!this.#cursor.number(false)) this.#wrong(slot, "is not an exact number");
    return this.#cursor;
  }

  exact(slot: Slot): Decimal {
    return this.number(slot).exact();
  }

  /** Reads an integer, a decimal or a binary float, which then stands in the cursor. */
  measure(slot: Slot): CborCursor {
    this.#seek(slot);
    if (!this.#cursor.number(true)) this.#wrong(slot, "is not a number");
    return this.#cursor;
  }

  /** Finds the text of a field: from `start` to `end`. */
  span(slot: Slot): void {
    this.#string(slot, 3, "is not a text");
    this.start = this.#cursor.at;
    this.end = this.start + this.#cursor.argument;
  }

  text(slot: Slot): string {
    this.#string(slot, 3, "is not a text");
    return this.#cursor.text();
  }

  data(slot: Slot): Uint8Array {
    this.#string(slot, 2, "is not a byte string");
    return this.#cursor.content();
  }

  truth(slot: Slot): boolean {
    this.#seek(slot);
    this.#cursor.head();
    const { major, argument } = this.#cursor;
    if (major !== 7 || (argument !== 20 && argument !== 21)) this.#wrong(slot, "is neither true nor false");
    return argument === 21;
  }

  texts(slot: Slot): string[] {
    const cursor = this.#cursor;
    this.#seek(slot);
    cursor.head();
    if (cursor.major !== 4) this.#wrong(slot, "is not an array");
    return Array.from({ length: cursor.argument }, () => {
      cursor.head();
      if (cursor.major !== 3) this.#wrong(slot, "is not an array of texts");
      return cursor.text();
    });
  }

  fail(code: EvidenceCode, message: string): never {
    throw new EvidenceError(code, message, this.index < 0 ? {} : { record: this.index });
  }

  #seek(slot: Slot): void {
    this.#cursor.at = this.#at[slot] as number;
  }

  #string(slot: Slot, major: 2 | 3, fault: string): void {
    this.#seek(slot);
    this.#cursor.head();
    if (this.#cursor.major !== major) this.#wrong(slot, fault);
  }

  /** Reads a key of the record at hand; leaves the cursor at its value. */
  #key(): number {
    const cursor = this.#cursor;
    cursor.head();
    const { major, argument, at, bytes } = cursor;
    if (major === 0 && argument <= LABEL.vd) return SLOT_OF_LABEL_0 + argument;
    if (major === 1 && argument < SLOT_OF_LABEL_0) return SLOT_OF_LABEL_0 - 1 - argument;
    if (major === 3) {
      cursor.at += argument;
      if (argument === 1 && bytes[at] === LETTER_Q) return SLOT.q;
      if (argument === 2 && bytes[at] === LETTER_R && bytes[at + 1] === LETTER_X) return SLOT.rx;
    }
    return this.fail("unknown-member", "a record has a field that is not of the profile");
  }

  #wrong(slot: Slot, fault: string): never {
    const name = Object.entries(SLOT).find(([, value]) => value === slot)?.[0] ?? "a field";
    this.fail("senml-malformed", `${name} ${fault}`);
  }
}

const OURS = { tags: [], floats: true, deterministic: true } as const;
const ANY_ORDER = { ...OURS, deterministic: false } as const;

/**
 * The strict scan. RFC 8428 allows any order of fields; our own packs are in the deterministic one, and to see that is cheaper than to
 * look for duplicates in any order.
 */
function scanPack(bytes: Uint8Array): void {
  if (bytes.length > LIMITS.maxStatementBytes) {
    throw new EvidenceError("too-large", `a pack has at most ${LIMITS.maxStatementBytes} bytes`);
  }
  let end: number;
  try {
    end = scanItem(bytes, 0, OURS);
  } catch (error) {
    if (!isEvidenceError(error) || error.code !== "cbor-order") throw error;
    end = scanItem(bytes, 0, ANY_ORDER);
  }
  if (end !== bytes.length) throw new EvidenceError("cbor-trailing", "bytes after the end", { at: end });
}
