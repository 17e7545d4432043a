/**
 * Writes SenML packs (RFC 8428) in one byte string per list of readings: deterministic map order, the base name and one base time in
 * the first record, `bver` 26 where a secondary unit occurs.
 *
 * @module
 */
import { encodeCbor, type CborKey, type CborMap, type CborValue } from "../cbor.ts";
import { compareDecimal, decimal, subtractDecimal, type Decimal } from "../decimal.ts";
import { EvidenceError } from "../errors.ts";
import { checkPack } from "./pack-read.ts";
import { LABEL, QUALITIES, SECONDARY_UNITS_VERSION, type Reading } from "./reading.ts";
import { unitKind } from "./units.ts";

/**
 * Encodes readings as one pack. Qualities are written in the order of the list, whatever order they come in.
 *
 * @param baseName - `iss/sub/`
 * @param readings - 1 to 4096; a caller bounds them so that the statement stays within 32 KiB
 * @throws EvidenceError for whatever `decodePack` would refuse, with its code
 */
export function encodePack(baseName: string, readings: readonly Reading[]): Uint8Array {
  const baseTime = chooseBaseTime(readings);
  const secondary = readings.some(({ unit }) => unit !== undefined && unitKind(unit) === "secondary");
  const records = readings.map((reading, index): CborMap => {
    const record = new Map<CborKey, CborValue>();
    if (index === 0) {
      if (secondary) record.set(LABEL.bver, SECONDARY_UNITS_VERSION);
      record.set(LABEL.bn, baseName);
      if (baseTime !== undefined) record.set(LABEL.bt, baseTime);
    }
    setReading(record, reading, baseTime);
    return record;
  });
  const bytes = encodeCbor(records);
  checkPack(bytes, baseName);
  return bytes;
}

function setReading(record: Map<CborKey, CborValue>, reading: Reading, baseTime: Decimal | undefined): void {
  const { name, unit, value, time, quality, received, updateTime } = reading;
  if (name !== "") record.set(LABEL.n, name);
  if (unit !== undefined) record.set(LABEL.u, unit);
  if ("v" in value) record.set(LABEL.v, value.v);
  else if ("vs" in value) record.set(LABEL.vs, value.vs);
  else if ("vb" in value) record.set(LABEL.vb, value.vb);
  else if ("vd" in value) record.set(LABEL.vd, value.vd);
  else record.set(LABEL.s, value.s);
  const offset = time === null ? undefined : offsetFrom(baseTime, time);
  if (offset !== undefined) record.set(LABEL.t, offset);
  if (quality.length > 0) record.set(LABEL.q, inOrder(quality));
  if (received !== undefined) record.set(LABEL.rx, received);
  if (updateTime !== undefined) record.set(LABEL.ut, updateTime);
}

/**
 * The base time that makes every `t` small and leaves each time's digits as they are: the first time, or its whole seconds where another
 * time has more places. None where a reading has no time (a base time would give it one) or places differ beyond that.
 */
function chooseBaseTime(readings: readonly Reading[]): Decimal | undefined {
  const [first] = readings;
  if (first === undefined || first.time === null) return undefined;
  const { time } = first;
  let most = time.exponent;
  let least = time.exponent;
  for (const { time: other } of readings) {
    if (other === null) return undefined;
    most = Math.max(most, other.exponent);
    least = Math.min(least, other.exponent);
  }
  // bt + t has as many places as the finer of the two: bt may have no more than any of the times.
  if (time.exponent === most && (most === 0 || least === most)) return time;
  return most <= 0 ? decimal(time.mantissa / 10n ** BigInt(-time.exponent)) : undefined;
}

/** `t` of a record: undefined where the base time says it all. */
function offsetFrom(baseTime: Decimal | undefined, time: Decimal): Decimal | undefined {
  if (baseTime === undefined) return time;
  if (time.exponent === baseTime.exponent && compareDecimal(time, baseTime) === 0) return undefined;
  return subtractDecimal(time, baseTime);
}

function inOrder(quality: Reading["quality"]): CborValue {
  const ordered = QUALITIES.filter((one) => quality.includes(one));
  if (ordered.length === quality.length) return ordered;
  throw new EvidenceError("senml-malformed", "a quality is unknown or occurs twice");
}
