/**
 * The records of a SenML pack as they stand, one after another: which fields each has, and of what type. What they mean together is
 * said in `pack-read.ts`.
 *
 * @module
 */
import { isEvidenceError, EvidenceError, type EvidenceCode } from "./errors.ts";
import { scanItem } from "./cbor-scan.ts";
import type { Decimal } from "./decimal.ts";
import { PackCursor } from "./pack-cursor.ts";
import { LABEL, type Measured } from "./reading.ts";
import { LIMITS } from "./topics.ts";

type Name = keyof typeof LABEL;

/** Fields by slot: integer labels from -6 (bs) to 8 (vd), then the extensions. */
const SLOT_OF_FIRST = -LABEL.bs;
const SLOT_Q = LABEL.vd + SLOT_OF_FIRST + 1;
const SLOT_RX = SLOT_Q + 1;
const slotOf = (name: Name): number => {
  const label = LABEL[name];
  return label === "q" ? SLOT_Q : label === "rx" ? SLOT_RX : label + SLOT_OF_FIRST;
};

/**
 * The record at hand of a pack, moved on by {@link next}. Reading a field twice is cheap: only its place is remembered.
 *
 * Errors: `senml-malformed` for a field of the wrong type, `unknown-member` for a field that is not of the profile; `where.record` names
 * the record.
 */
export class PackRecords {
  /** Records in the pack, 1 to 4096. */
  readonly count: number;
  /** Number of the record at hand, from 0. */
  index = -1;
  readonly #cursor: PackCursor;
  /** Offset of each field; 0, where the head of the pack stands, says that it is absent. */
  readonly #at = new Int32Array(SLOT_RX + 1);

  /** @throws EvidenceError a CBOR code, `senml-malformed`, `too-large` */
  constructor(bytes: Uint8Array) {
    scanPack(bytes);
    this.#cursor = new PackCursor(bytes);
    this.#cursor.head();
    this.count = this.#cursor.argument;
    if (this.#cursor.major !== 4 || this.count === 0)
      this.fail("senml-malformed", "a pack is an array of records");
    if (this.count > LIMITS.maxRecords)
      this.fail("too-large", `a pack has at most ${LIMITS.maxRecords} records`);
  }

  /** Goes to the next record; false behind the last one. Read fields only of the record at hand. */
  next(): boolean {
    if (++this.index === this.count) return false;
    const cursor = this.#cursor;
    cursor.at = this.#end;
    this.#at.fill(0);
    cursor.head();
    if (cursor.major !== 5) this.fail("senml-malformed", "a record is a map");
    for (let left = cursor.argument; left > 0; left--) {
      const slot = this.#slot();
      this.#at[slot] = cursor.at;
      cursor.skip();
    }
    this.#end = cursor.at;
    return true;
  }
  #end = 1;

  has(name: Name): boolean {
    return this.#at[slotOf(name)] !== 0;
  }
}

/**
 * One strict scan. Our own packs are in deterministic order, and telling that is cheaper than looking for duplicate keys in any order;
 * RFC 8428 allows any.
 */
function scanPack(bytes: Uint8Array): void {
  const end = scanIn(bytes, true) ?? scanIn(bytes, false);
  if (end !== bytes.length) throw new EvidenceError("cbor-trailing", "bytes after the end", { at: end ?? 0 });
}
