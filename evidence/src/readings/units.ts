/**
 * Units of SenML: the primary ones of RFC 8428 (section 12.1) and RFC 8798 (section 2), and the secondary ones of RFC 8798 (section 3)
 * with their exact relation to a primary one. A unit that neither names is refused, in what we write and in what we read.
 *
 * @module
 */
import { addDecimal, decimal, multiplyDecimal, type Decimal } from "../decimal.ts";
import { EvidenceError } from "../errors.ts";

/** Those that the registry marks as not to be produced (`g`, `l`, `%`, ...) are known all the same: old devices send them. */
const PRIMARY = new Set(
  [
    "m kg g s A K cd mol Hz rad sr N Pa J W C V F Ohm S Wb T H Cel lm lx Bq Gy Sv kat m2 m3 l m/s m/s2 m3/s l/s",
    "W/m2 cd/m2 bit bit/s lat lon pH dB dBW Bspl count / % %RH %EL EL 1/s 1/min beat/min beats S/m",
    "B VA VAs var vars J/m kg/m3 deg",
  ].flatMap((line) => line.split(" ")),
);

/** value in `primary` = value x `times` / `per` + `plus`. `per` is 1 where the scale is a decimal. */
export type SecondaryUnit = {
  readonly primary: string;
  readonly times: Decimal;
  readonly per: Decimal;
  readonly plus: Decimal;
};

const ONE = decimal(1);
const ZERO = decimal(0);
const scaled = (primary: string, times: Decimal, per = ONE, plus = ZERO): SecondaryUnit => ({
  primary,
  times,
  per,
  plus,
});

/** The secondary units, which need `bver` 26 (RFC 9100). */
export const SECONDARY_UNITS: ReadonlyMap<string, SecondaryUnit> = new Map([
  ["ms", scaled("s", decimal(1, -3))],
  ["min", scaled("s", decimal(60))],
  ["h", scaled("s", decimal(3600))],
  ["MHz", scaled("Hz", decimal(1, 6))],
  ["kW", scaled("W", decimal(1000))],
  ["kVA", scaled("VA", decimal(1000))],
  ["kvar", scaled("var", decimal(1000))],
  ["Ah", scaled("C", decimal(3600))],
  ["Wh", scaled("J", decimal(3600))],
  ["kWh", scaled("J", decimal(3_600_000))],
  ["varh", scaled("vars", decimal(3600))],
  ["kvarh", scaled("vars", decimal(3_600_000))],
  ["kVAh", scaled("VAs", decimal(3_600_000))],
  ["Wh/km", scaled("J/m", decimal(36, -1))],
  ["KiB", scaled("B", decimal(1024))],
  ["GB", scaled("B", decimal(1, 9))],
  ["Mbit/s", scaled("bit/s", decimal(1, 6))],
  ["B/s", scaled("bit/s", decimal(8))],
  ["MB/s", scaled("bit/s", decimal(8, 6))],
  ["mV", scaled("V", decimal(1, -3))],
  ["mA", scaled("A", decimal(1, -3))],
  ["dBm", scaled("dBW", ONE, ONE, decimal(-30))],
  ["ug/m3", scaled("kg/m3", decimal(1, -9))],
  ["mm/h", scaled("m/s", ONE, decimal(3_600_000))],
  ["m/h", scaled("m/s", ONE, decimal(3600))],
  ["ppm", scaled("/", decimal(1, -6))],
  ["/100", scaled("/", decimal(1, -2))],
  ["/1000", scaled("/", decimal(1, -3))],
  ["hPa", scaled("Pa", decimal(100))],
  ["mm", scaled("m", decimal(1, -3))],
  ["cm", scaled("m", decimal(1, -2))],
  ["km", scaled("m", decimal(1000))],
  ["km/h", scaled("m/s", ONE, decimal(36, -1))],
]);

/** Whether the registry names this unit, and where. Undefined for any other text. */
export function unitKind(unit: string): "primary" | "secondary" | undefined {
  if (PRIMARY.has(unit)) return "primary";
  return SECONDARY_UNITS.has(unit) ? "secondary" : undefined;
}

/**
 * @returns which registry names the unit: a secondary one needs `bver` 26
 * @throws EvidenceError `senml-unit` for a unit that neither registry names
 */
export function checkUnit(unit: string): "primary" | "secondary" {
  const kind = unitKind(unit);
  if (kind !== undefined) return kind;
  const shown = unit.length > 16 ? `${unit.slice(0, 16)}…` : unit;
  throw new EvidenceError("senml-unit", `no such unit in the SenML registries: ${JSON.stringify(shown)}`);
}

/** A quantity in a primary unit: exactly `value` / `per`. `per` is 1 unless the scale is no decimal (km/h, m/h, mm/h). */
export type PrimaryQuantity = { readonly unit: string; readonly value: Decimal; readonly per: Decimal };

/**
 * Brings a value to its primary unit without rounding: 1.50 kWh is 5400000.00 J; 90 km/h is 90 / 3.6 m/s.
 *
 * @throws EvidenceError `senml-unit` for an unknown unit, `cbor-decimal` where the result has more digits than a decimal holds
 */
export function toPrimary(value: Decimal, unit: string): PrimaryQuantity {
  checkUnit(unit);
  const secondary = SECONDARY_UNITS.get(unit);
  if (secondary === undefined) return { unit, value, per: ONE };
  const { primary, times, per, plus } = secondary;
  const product = times === ONE ? value : multiplyDecimal(value, times);
  return { unit: primary, value: plus === ZERO ? product : addDecimal(product, plus), per };
}
