/**
 * Money as whole minor units, and rounding.
 *
 * @module
 */
import { atPlaces, exactText, type Exact } from "./csv/number.ts";
import type { RoundingMode } from "./map/schema.ts";

/** ISO 4217: currencies whose minor unit isn't a hundredth. */
const PLACES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    [
      "BIF",
      "CLP",
      "DJF",
      "GNF",
      "ISK",
      "JPY",
      "KMF",
      "KRW",
      "PYG",
      "RWF",
      "UGX",
      "VND",
      "VUV",
      "XAF",
      "XOF",
      "XPF",
    ].map((code) => [code, 0]),
  ),
  ...Object.fromEntries(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"].map((code) => [code, 3])),
};

/** Decimal places of a currency's minor unit. */
export const placesOf = (currency: string, given: number | undefined): number =>
  given ?? PLACES[currency] ?? 2;

/** Minor units of an amount; undefined where it has more places than its currency, or no exact number would hold it. */
export function minorUnits(amount: Exact, places: number): number | undefined {
  const minor = atPlaces(amount, places);
  if (minor === undefined) return undefined;
  const number = Number(minor);
  return Number.isSafeInteger(number) ? number : undefined;
}

export const moneyText = (minor: bigint | number, places: number): string => exactText(BigInt(minor), places);

/** Rounds to `places`; what is exact already stays as it is. */
export function rounded({ digits, places }: Exact, to: number, mode: RoundingMode): bigint {
  if (places <= to) return digits * 10n ** BigInt(to - places);
  const scale = 10n ** BigInt(places - to);
  const negative = digits < 0n;
  const magnitude = negative ? -digits : digits;
  const [whole, rest] = [magnitude / scale, magnitude % scale];
  const up = rest !== 0n && roundsUp(mode, whole, rest * 2n, scale);
  const result = whole + (up ? 1n : 0n);
  return negative ? -result : result;
}

/** `up` and `down` are away from and towards zero. */
function roundsUp(mode: RoundingMode, whole: bigint, twice: bigint, scale: bigint): boolean {
  switch (mode) {
    case "down":
      return false;
    case "up":
      return true;
    case "half-up":
      return twice >= scale;
    case "half-even":
      return twice > scale || (twice === scale && whole % 2n === 1n);
  }
}

/** `minor` less `percent` of it. */
export function discounted(minor: number, percent: Exact, mode: RoundingMode): number {
  const hundred = 100n * 10n ** BigInt(percent.places);
  return Number(
    rounded({ digits: BigInt(minor) * (hundred - percent.digits), places: 2 + percent.places }, 0, mode),
  );
}
