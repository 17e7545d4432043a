/**
 * Reads SenML packs (RFC 8428) of the closed profile of `docs/formats.md` section 4. One walk serves two callers: `checkPack` asks only
 * whether a pack is well-formed, which the anchor does with every statement; `decodePack` builds the resolved readings too.
 *
 * @module
 */
import { encodeUtf8 } from "../bytes.ts";
import { Float } from "../cbor.ts";
import { addDecimal, compareDecimal, decimal, type Decimal } from "../decimal.ts";
import { PackRecords, SLOT, type Slot } from "./pack-record.ts";
import {
  BASE_VERSION,
  FIRST_ABSOLUTE_TIME,
  QUALITIES,
  RAW_NAME,
  SECONDARY_UNITS_VERSION,
  type Measured,
  type Quality,
  type Reading,
  type ReadingValue,
} from "./reading.ts";
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
 * Checks a pack; builds its readings only where somebody wants them.
 *
 * @param baseName - the only base name allowed: `iss/sub/`
 * @param each - is told each reading, resolved as {@link decodePack} has it
 * @throws EvidenceError exactly as {@link decodePack}
 */
export function checkPack(
  bytes: Uint8Array,
  baseName: string,
  each?: (reading: Reading) => void,
): PackSummary {
  return new PackWalk(bytes, baseName).run(each);
}

/**
 * Reads a pack: base name, time, unit, value and sum are resolved in exact decimals, and digits are kept as sent.
 *
 * @param baseName - the only base name allowed: `iss/sub/`; names come without it
 * @throws EvidenceError `senml-malformed`, `senml-unit`, `senml-time`, `unknown-member`, `too-large`, or a CBOR code
 */
export function decodePack(bytes: Uint8Array, baseName: string): Reading[] {
  const readings: Reading[] = [];
  new PackWalk(bytes, baseName).run((reading) => readings.push(reading));
  return readings;
}

const bit = (slot: Slot): number => 1 << slot;
const BASES = bit(SLOT.bver) | bit(SLOT.bn) | bit(SLOT.bt) | bit(SLOT.bu) | bit(SLOT.bv) | bit(SLOT.bs);
const VALUES = bit(SLOT.v) | bit(SLOT.vs) | bit(SLOT.vb) | bit(SLOT.vd) | bit(SLOT.s);

const FIRST_TIME = decimal(FIRST_ABSOLUTE_TIME);
/** More places than any clock has, and few enough that a whole second with them stays far within a decimal. */
const MANY_PLACES = 9;
const QUALITY_ORDER: ReadonlyMap<string, number> = new Map(
  QUALITIES.map((quality, order) => [quality, order]),
);
const NAME_BYTE = Array.from({ length: 256 }, (_, byte) =>
  /[A-Za-z0-9:./_-]/.test(String.fromCharCode(byte)),
);
const RAW_BYTES = encodeUtf8(RAW_NAME);

class PackWalk {
  readonly #records: PackRecords;
  readonly #baseName: string;
  #version = BASE_VERSION;
  #baseTime: Decimal | undefined;
  /** True where `bt` is a whole second that is absolute by itself, as it nearly always is. */
  #plainBase = false;
  #baseUnit: string | undefined;
  #baseValue: Decimal | undefined;
  #baseSum: Decimal | undefined;
  /** Where the unit found good last stands, 0 for none: most packs repeat one. */
  #unitStart = 0;
  #unitEnd = 0;

  constructor(bytes: Uint8Array, baseName: string) {
    this.#records = new PackRecords(bytes);
    this.#baseName = baseName;
  }

  run(each?: (reading: Reading) => void): PackSummary {
    const records = this.#records;
    let untimed = 0;
    let frames = 0;
    while (records.next()) {
      if ((records.present & BASES) !== 0 || records.index === 0) this.#readBases();
      if (this.#checkName()) frames++;
      if (records.has(SLOT.u)) this.#checkOwnUnit();
      this.#checkValue();
      if (!this.#checkTime()) untimed++;
      if (records.has(SLOT.q)) this.#quality();
      if (records.has(SLOT.rx)) this.#checkAbsolute(records.exact(SLOT.rx));
      if (records.has(SLOT.ut)) records.number(SLOT.ut);
      each?.(this.#reading());
    }
    return { records: records.count, untimed, frames };
  }

  /** Base fields count from the record that has them (RFC 8428 section 4.1). */
  #readBases(): void {
    const records = this.#records;
    const first = records.index === 0;
    if (records.has(SLOT.bn) !== first)
      this.#malformed("the base name stands in the first record, and only there");
    if (first && !this.#hasBaseName()) {
      this.#malformed("the base name is not that of the statement: iss/sub/");
    }
    if (records.has(SLOT.bver)) this.#readVersion(first);
    if (records.has(SLOT.bt)) {
      const { mantissa, exponent } = records.number(SLOT.bt);
      this.#plainBase = exponent === 0 && typeof mantissa === "number" && mantissa >= FIRST_ABSOLUTE_TIME;
      this.#baseTime = records.exact(SLOT.bt);
    }
    if (records.has(SLOT.bu)) {
      this.#baseUnit = records.text(SLOT.bu);
      this.#checkUnit(this.#baseUnit);
    }
    if (records.has(SLOT.bv)) this.#baseValue = records.exact(SLOT.bv);
    if (records.has(SLOT.bs)) this.#baseSum = records.exact(SLOT.bs);
  }

  /** Compared as it stands: to make a text of it costs more than all else about a short pack. */
  #hasBaseName(): boolean {
    const records = this.#records;
    const name = this.#baseName;
    records.span(SLOT.bn);
    const { bytes, start, end } = records;
    let isSame = end - start === name.length;
    for (let i = 0; isSame && i < name.length; i++)
      isSame = (bytes[start + i] as number) < 128 && bytes[start + i] === name.charCodeAt(i);
    return isSame || records.text(SLOT.bn) === name;
  }

  #readVersion(first: boolean): void {
    const { mantissa, exponent } = this.#records.number(SLOT.bver);
    const known = exponent === 0 && (mantissa === BASE_VERSION || mantissa === SECONDARY_UNITS_VERSION);
    if (!known) this.#malformed("bver is 10 or 26");
    if (!first && mantissa !== this.#version) this.#malformed("bver is the same in all records of a pack");
    this.#version = mantissa;
  }

  /** @returns whether the record carries a raw frame */
  #checkName(): boolean {
    const records = this.#records;
    if (!records.has(SLOT.n)) return false;
    records.span(SLOT.n);
    const { bytes, start, end } = records;
    for (let i = start; i < end; i++) {
      if (NAME_BYTE[bytes[i] as number] !== true) this.#malformed("a name has only A-Z a-z 0-9 - : . / _");
    }
    const frame = end - start === RAW_BYTES.length && RAW_BYTES.every((byte, i) => bytes[start + i] === byte);
    if (frame && !records.has(SLOT.vd)) this.#malformed("the record `raw` carries its frame as bytes");
    return frame;
  }

  #checkOwnUnit(): void {
    const records = this.#records;
    records.span(SLOT.u);
    const { bytes, start, end } = records;
    if (this.#unitStart > 0 && sameBytes(bytes, start, end, this.#unitStart, this.#unitEnd)) return;
    this.#checkUnit(records.text(SLOT.u));
    this.#unitStart = start;
    this.#unitEnd = end;
  }

  #checkUnit(unit: string): void {
    if (checkUnit(unit) === "secondary" && this.#version !== SECONDARY_UNITS_VERSION) {
      this.#records.fail("senml-unit", "a secondary unit needs bver 26");
    }
  }

  #checkValue(): void {
    const records = this.#records;
    const values = records.present & VALUES;
    if (values === 0 || (values & (values - 1)) !== 0) this.#malformed("a record has exactly one value");
    if (values === bit(SLOT.vs)) records.span(SLOT.vs);
    else if (values === bit(SLOT.vb)) records.truth(SLOT.vb);
    else if (values === bit(SLOT.vd)) records.data(SLOT.vd);
    else {
      const slot = values === bit(SLOT.v) ? SLOT.v : SLOT.s;
      if (this.#baseOf(slot) === undefined) records.measure(slot);
      else this.#sum(slot);
    }
  }

  /** @returns whether the record has a time */
  #checkTime(): boolean {
    if (this.#plainBase) {
      if (!this.#records.has(SLOT.t)) return true;
      const { mantissa, exponent } = this.#records.number(SLOT.t);
      // A whole absolute second and a while: absolute without calculating it.
      if (typeof mantissa === "number" && mantissa >= 0 && exponent <= 0 && exponent >= -MANY_PLACES)
        return true;
    }
    const time = this.#time();
    if (time !== null) this.#checkAbsolute(time);
    return time !== null;
  }

  #time(): Decimal | null {
    const base = this.#baseTime;
    if (!this.#records.has(SLOT.t)) return base ?? null;
    const offset = this.#records.exact(SLOT.t);
    return base === undefined ? offset : addDecimal(base, offset);
  }

  /** Below 2^28 a time is relative to now (RFC 8428 section 4.5.3). */
  #checkAbsolute(time: Decimal): void {
    if (compareDecimal(time, FIRST_TIME) < 0)
      this.#records.fail("senml-time", "a time is absolute: at least 2^28");
  }

  #quality(): Quality[] {
    const quality = this.#records.texts(SLOT.q) as Quality[];
    if (quality.length === 0) this.#malformed("q names at least one quality");
    let before = -1;
    for (const one of quality) {
      const order = QUALITY_ORDER.get(one) ?? this.#malformed("q names an unknown quality");
      if (order <= before) this.#malformed("q names each quality once, in the order of the list");
      before = order;
    }
    return quality;
  }

  #baseOf(slot: typeof SLOT.v | typeof SLOT.s): Decimal | undefined {
    return slot === SLOT.v ? this.#baseValue : this.#baseSum;
  }

  /** `bv` + `v`, or `bs` + `s`. */
  #sum(slot: typeof SLOT.v | typeof SLOT.s): Measured {
    const own = this.#records.measure(slot).value();
    const base = this.#baseOf(slot);
    if (base === undefined) return own;
    if (own instanceof Float) return this.#malformed("a binary float has no exact sum with a base value");
    return addDecimal(base, own);
  }

  /** The record at hand, resolved. It was checked before. */
  #reading(): Reading {
    const records = this.#records;
    const unit = records.has(SLOT.u) ? records.text(SLOT.u) : this.#baseUnit;
    const reading: Written = {
      name: records.has(SLOT.n) ? records.text(SLOT.n) : "",
      value: this.#value(),
      time: this.#time(),
      quality: records.has(SLOT.q) ? this.#quality() : [],
    };
    if (unit !== undefined) reading.unit = unit;
    if (records.has(SLOT.rx)) reading.received = records.exact(SLOT.rx);
    if (records.has(SLOT.ut)) reading.updateTime = records.exact(SLOT.ut);
    return reading;
  }

  #value(): ReadingValue {
    const records = this.#records;
    if (records.has(SLOT.v)) return { v: this.#sum(SLOT.v) };
    if (records.has(SLOT.s)) return { s: this.#sum(SLOT.s) };
    if (records.has(SLOT.vs)) return { vs: records.text(SLOT.vs) };
    if (records.has(SLOT.vb)) return { vb: records.truth(SLOT.vb) };
    return { vd: records.data(SLOT.vd) };
  }

  #malformed(message: string): never {
    return this.#records.fail("senml-malformed", message);
  }
}

type Written = { -readonly [Field in keyof Reading]: Reading[Field] };

function sameBytes(
  bytes: Uint8Array,
  start: number,
  end: number,
  otherStart: number,
  otherEnd: number,
): boolean {
  if (end - start !== otherEnd - otherStart) return false;
  for (let i = start, j = otherStart; i < end; i++, j++) if (bytes[i] !== bytes[j]) return false;
  return true;
}
