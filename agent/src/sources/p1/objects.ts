/**
 * What is known of the objects in P1 telegrams: units, counts, registers, and which one names the meter.
 *
 * Sources: P1 Companion Standard (Netbeheer Nederland) 2.2, 3.0, 4.0 and 5.0.2, "Representation of P1 telegram"; e-MUCS P1
 * (Fluvius) 1.7.1; Swedish Energy Industry's rules for the customer interface; OBIS codes as in IEC 62056-61; and the
 * telegrams of the public samples.
 *
 * @module
 */
import type { ObisCode, P1Object } from "./lines.ts";

/** A unit as meters write it: the registered SenML unit, and the power of ten between the two. */
type Unit = { readonly unit: string; readonly exponent: number };

const as = (unit: string, exponent = 0): Unit => ({ unit, exponent });

/** Spelling is each maker's own. A unit that is not here stays in the text of the value: no unit is guessed. */
const UNITS: Readonly<Record<string, Unit>> = {
  kWh: as("kWh"),
  Wh: as("Wh"),
  kvarh: as("kvarh"),
  kVArh: as("kvarh"),
  kVarh: as("kvarh"),
  varh: as("varh"),
  kVAh: as("kVAh"),
  kW: as("kW"),
  W: as("W"),
  kvar: as("kvar"),
  kVAr: as("kvar"),
  kVar: as("kvar"),
  var: as("var"),
  kVA: as("kVA"),
  VA: as("VA"),
  V: as("V"),
  A: as("A"),
  Hz: as("Hz"),
  m3: as("m3"),
  dm3: as("m3", -3),
  s: as("s"),
  GJ: as("J", 9), // thermal meters; SenML has no gigajoule
  MJ: as("J", 6),
};

export const unitOf = (text: string): Unit | undefined =>
  Object.hasOwn(UNITS, text) ? UNITS[text] : undefined;

/**
 * True for numbers of events, which carry no unit but are values all the same. All other digits without a unit are
 * indicators or ids (tariff 96.14.0, breaker 96.3.10, device type 24.1.0) and stay text, leading zeros included.
 */
export function isCount({ a, b, c, d, e }: ObisCode): boolean {
  // 96.7.0 to 96.7.9: power failures and long ones, by phase; 96.7.20 and 21: of the supply, in any phase
  if (a === 0 && b === 0 && c === 96 && d === 7) return e <= 9 || e === 20 || e === 21;
  // voltage sags (32) and swells (36) in L1, L2, L3
  return a === 1 && (c === 32 || c === 52 || c === 72) && (d === 32 || d === 36) && e === 0;
}

/** True for logs and load profiles, whose values are a list: kept as sent. */
export const isHistory = ({ c }: ObisCode): boolean => c === 98 || c === 99;

/** True for the hourly profile of DSMR 2.2 and 3, which names its objects within. */
export const isMbusProfile = ({ a, c, d, e }: ObisCode): boolean => a === 0 && c === 24 && d === 3 && e === 0;

/** The time of the telegram. */
export const isTelegramTime = ({ a, b, c, d, e }: ObisCode): boolean =>
  a === 0 && b === 0 && c === 1 && d === 0 && e === 0;

/** True for values that only rise: energies (D = 8), volumes and heat of sub-meters (24.2.x), counts. */
export const isCounter = (code: ObisCode): boolean =>
  (code.a === 1 && code.d === 8) || (code.a === 0 && code.c === 24 && code.d === 2) || isCount(code);

/**
 * Objects that name the meter, the best first: its serial number (96.1.1), its device id (96.1.0), its COSEM name (42.0.0).
 * 96.1.4 looks like one and is the version of the telegram (Belgium).
 */
const METER_IDS = ["0-0:96.1.1", "0-0:96.1.0", "0-0:42.0.0"] as const;

/** Longest id taken: what a `meter-changed` event can hold. */
const MAX_METER_ID = 256;

/** The meter's own id, as sent; Swedish telegrams have none but their identification line. */
export function meterId(identification: string, objects: readonly P1Object[]): string {
  for (const name of METER_IDS) {
    const id = objects.find((object) => object.name === name)?.values[0];
    if (id !== undefined && id !== "" && id.length <= MAX_METER_ID) return id;
  }
  return identification.slice(0, MAX_METER_ID);
}
