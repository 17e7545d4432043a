/**
 * Reads SenML packs (RFC 8428) of the closed profile of `docs/formats.md` section 4. One walk serves two callers: `checkPack` asks only
 * whether a pack is well-formed, which the anchor does with every statement; `decodePack` builds the resolved readings.
 *
 * @module
 */
import { encodeUtf8, equalBytes } from "./bytes.ts";
import { Float } from "./cbor.ts";
import { scanItem } from "./cbor-scan.ts";
import { addDecimal, compareDecimal, decimal, type Decimal } from "./decimal.ts";
import { EvidenceError, isEvidenceError, type EvidenceCode } from "./errors.ts";
import { PackCursor } from "./pack-cursor.ts";
import {
  BASE_VERSION,
  FIRST_ABSOLUTE_TIME,
  LABEL,
  QUALITIES,
  RAW_NAME,
  SECONDARY_UNITS_VERSION,
  type Measured,
  type Quality,
  type Reading,
  type ReadingValue,
} from "./reading.ts";
import { LIMITS } from "./topics.ts";
import { checkUnit } from "./units.ts";

/** What a pack holds, as far as the rules of a statement need to know. */
export type PackSummary = {
  readonly records: number;
  /** Readings without a time. */
  readonly untimed: number;
  /** Records named `raw`. */
  readonly frames: number;
};

/**
 * Checks a pack without building its readings.
 *
 * @param baseName - the only base name allowed: `iss/sub/`
 * @throws EvidenceError as {@link decodePack}
 */
export function checkPack(bytes: Uint8Array, baseName: string): PackSummary {
  return new PackWalk(bytes, baseName).run();
}

/**
 * Reads a pack: base name, time, unit, value and sum are resolved in exact decimals, and digits are kept as sent.
 *
 * @param baseName - the only base name allowed: `iss/sub/`; names come without it
 * @throws EvidenceError `senml-malformed`, `senml-unit`, `senml-time`, `unknown-member`, `too-large`, or a CBOR code
 */
export function decodePack(bytes: Uint8Array, baseName: string): Reading[] {
  const readings: Reading[] = [];
  new PackWalk(bytes, baseName, readings).run();
  return readings;
}

/** Where a field stands among the slots: its label, made positive; the two extensions behind the last label. */
const slotOf = (label: number): number => label - LABEL.bs;
const SLOT_Q = slotOf(LABEL.vd) + 1;
const SLOT_RX = SLOT_Q + 1;
const SLOTS = SLOT_RX + 1;
const VALUE_LABELS = [LABEL.v, LABEL.vs, LABEL.vb, LABEL.vd, LABEL.s] as const;

const FIRST_TIME = decimal(FIRST_ABSOLUTE_TIME);
/** True for the bytes of `A-Z a-z 0-9 - : . / _`. */
const NAME_BYTE = Array.from({ length: 256 }, (_, byte) =>
  /[A-Za-z0-9:./_-]/.test(String.fromCharCode(byte)),
);
const RAW_BYTES = encodeUtf8(RAW_NAME);
const NO_NAME = new Uint8Array();

class PackWalk {
  readonly #cursor: PackCursor;
  readonly #baseName: Uint8Array;
  readonly #readings: Reading[] | undefined;
  /** Offset of each field of the record at hand; 0, where the pack's own head stands, says that it is absent. */
  readonly #at = new Int32Array(SLOTS);
  #record = 0;
  #version = BASE_VERSION;
  #baseTime: Decimal | undefined;
  #baseUnit: string | undefined;
  #baseValue: Decimal | undefined;
  #baseSum: Decimal | undefined;

  constructor(bytes: Uint8Array, baseName: string, readings?: Reading[]) {
    scanPack(bytes);
    this.#cursor = new PackCursor(bytes);
    this.#baseName = encodeUtf8(baseName);
    this.#readings = readings;
  }

  run(): PackSummary {
    const cursor = this.#cursor;
    cursor.head();
    const records = cursor.argument;
    if (cursor.major !== 4 || records === 0) this.#fail("senml-malformed", "a pack is an array of records");
    if (records > LIMITS.maxRecords)
      this.#fail("too-large", `a pack has at most ${LIMITS.maxRecords} records`);
    let untimed = 0;
    let frames = 0;
    for (this.#record = 0; this.#record < records; this.#record++) {
      this.#locate();
      this.#readBases();
      const unit = this.#unit();
      const name = this.#name();
      const frame = equalBytes(name, RAW_BYTES);
      const label = this.#valueLabel();
      if (frame && label !== LABEL.vd)
        this.#fail("senml-malformed", "the record `raw` carries its frame as bytes");
      if (frame) frames++;
      const value = this.#value(label);
      const time = this.#time();
      if (time === null) untimed++;
      const quality = this.#quality();
      const received = this.#received();
      const updateTime = this.#optionalExact(LABEL.ut);
      this.#readings?.push({
        name: String.fromCharCode(...name),
        ...(unit !== undefined && { unit }),
        value,
        time,
        quality,
        ...(received && { received }),
        ...(updateTime && { updateTime }),
      });
    }
    return { records, untimed, frames };
  }
}
