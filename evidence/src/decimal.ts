/**
 * Exact decimals: a meter's digits are evidence, so 1.50 stays 150 x 10^-2 and is never a binary float.
 *
 * @module
 */
import { EvidenceError } from "./errors.ts";

/** Largest absolute exponent; beyond it a few bytes could stand for a number of 2^60 digits. */
export const MAX_EXPONENT = 32;
/** Largest mantissa, 128 bits. */
const MAX_MANTISSA = (1n << 128n) - 1n;

/** mantissa x 10^exponent. Two decimals may be equal in value and differ in digits: 1.5 and 1.50. */
export class Decimal {
  readonly mantissa: bigint;
  readonly exponent: number;

  /** @throws EvidenceError `cbor-decimal` where the exponent is beyond 32 or the mantissa beyond 128 bits */
  constructor(mantissa: bigint, exponent: number) {
    const magnitude = mantissa < 0n ? -mantissa : mantissa;
    if (!Number.isInteger(exponent) || Math.abs(exponent) > MAX_EXPONENT || magnitude > MAX_MANTISSA) {
      throw new EvidenceError(
        "cbor-decimal",
        "decimal out of range: exponent within 32, mantissa within 128 bits",
      );
    }
    this.mantissa = mantissa;
    this.exponent = exponent;
  }
}

/** @param mantissa - a bigint or a safe integer */
export const decimal = (mantissa: bigint | number, exponent = 0): Decimal =>
  new Decimal(BigInt(mantissa), exponent);

/**
 * Reads digits as a meter prints them: `001581.123`, `-0.50`. Leading zeros go, trailing ones stay.
 *
 * @throws EvidenceError `cbor-decimal` for anything else, or more digits than a decimal can hold
 */
export function parseDecimal(text: string): Decimal {
  const match = text.length <= 80 ? /^([+-]?)(\d+)(?:\.(\d+))?$/.exec(text) : null;
  if (match === null) throw new EvidenceError("cbor-decimal", "not a decimal number");
  const [, sign = "", whole = "", fraction = ""] = match;
  const magnitude = BigInt(whole + fraction);
  return new Decimal(sign === "-" ? -magnitude : magnitude, fraction === "" ? 0 : -fraction.length);
}

/** The digits as text, never in exponent notation: 1581123 x 10^-3 is `1581.123`, 5 x 10^2 is `500`. */
export function formatDecimal({ mantissa, exponent }: Decimal): string {
  const sign = mantissa < 0n ? "-" : "";
  const digits = (mantissa < 0n ? -mantissa : mantissa).toString();
  if (exponent >= 0) return sign + (mantissa === 0n ? "0" : digits + "0".repeat(exponent));
  const padded = digits.padStart(1 - exponent, "0");
  return `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
}

/** @throws EvidenceError `cbor-decimal` where the sum does not fit */
export function addDecimal(a: Decimal, b: Decimal): Decimal {
  const exponent = Math.min(a.exponent, b.exponent);
  return new Decimal(scaled(a, exponent) + scaled(b, exponent), exponent);
}

/** @throws EvidenceError `cbor-decimal` where the difference does not fit */
export const subtractDecimal = (a: Decimal, b: Decimal): Decimal =>
  addDecimal(a, new Decimal(-b.mantissa, b.exponent));

/** @throws EvidenceError `cbor-decimal` where the product does not fit */
export const multiplyDecimal = (a: Decimal, b: Decimal): Decimal =>
  new Decimal(a.mantissa * b.mantissa, a.exponent + b.exponent);

/** Compares values: negative, zero or positive. 1.5 and 1.50 compare as equal. */
export function compareDecimal(a: Decimal, b: Decimal): number {
  const exponent = Math.min(a.exponent, b.exponent);
  const difference = scaled(a, exponent) - scaled(b, exponent);
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}

/** The nearest binary float: for plots and waiting times, never for what is signed. */
export const decimalToNumber = (value: Decimal): number => Number(formatDecimal(value));

const scaled = ({ mantissa, exponent: own }: Decimal, exponent: number): bigint =>
  own === exponent ? mantissa : mantissa * 10n ** BigInt(own - exponent);
