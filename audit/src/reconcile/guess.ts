/**
 * What the columns of an export most likely are, by their names and by what stands in them.
 *
 * @module
 */
import { numberReader } from "./csv/number.ts";
import { timeReader } from "./csv/time.ts";

export type Guess = {
  /** Role to the column's name. */
  readonly columns: Readonly<Record<string, string>>;
  readonly time: string;
  readonly zone: string;
  readonly decimal: "." | ",";
  readonly thousands: string | undefined;
  /** The month that most of it is of, as dates. */
  readonly scope: { readonly from: string; readonly to: string };
  /** What lines seem to bill, where it is registers. */
  readonly readings: "register" | "interval" | undefined;
  /** Values of the column `type`. */
  readonly types: readonly string[];
};

/** Names of columns, English and German, in the order in which they are looked for; the first that fits a column has it. */
const ROLES: readonly (readonly [role: string, name: RegExp])[] = [
  ["reference", /^(?:ref|reference|bezug|original|storno)/i],
  ["discount", /discount|rabatt/i],
  ["currency", /currency|w(?:ä|ae)hrung|^curr?$/i],
  ["until", /^(?:until|to|bis|end|ende)\b|_to$|_end$/i],
  ["quantity", /kwh|m3|m³|quantity|menge|verbrauch|consumption|z(?:ä|ae)hlerstand|reading|register/i],
  ["amount", /amount|betrag|preis|price|charge|total|gross|brutto/i],
  ["trip", /^(?:trip|fahrt|journey)/i],
  ["key", /transaction|transaktion|passage|durchfahrt|event|^tx|^key$/i],
  ["time", /time|date|datum|zeit|^(?:from|von|start)\b|passed|_from$/i],
  ["account", /account|konto|meter|z(?:ä|ae)hler|vertrag|contract|customer|kunde|stream/i],
  ["type", /type|^art$|vorgang|kind/i],
  ["line", /^(?:line|zeile|pos|beleg|invoice|nr|no|id)\b/i],
];

const PATTERNS = [
  "ISO",
  "DD.MM.YYYY HH:mm:ss",
  "DD.MM.YYYY HH:mm",
  "DD.MM.YYYY",
  "YYYY/MM/DD HH:mm:ss",
  "MM/DD/YYYY HH:mm:ss",
  "DD/MM/YYYY HH:mm:ss",
  "DD/MM/YYYY HH:mm",
  "MM/DD/YYYY",
  "DD/MM/YYYY",
  "MM/DD/YYYY hh:mm:ss a",
  "epoch-s",
  "epoch-ms",
] as const;

/** @param rows - cells, as many as the header has */
export function guess(header: readonly string[], rows: readonly (readonly string[])[]): Guess {
  const columns: Record<string, string> = {};
  for (const [i, raw] of header.entries()) {
    const name = raw.trim();
    const once = header.filter((one) => one.trim() === name).length === 1;
    const role = ROLES.find(([one, pattern]) => columns[one] === undefined && pattern.test(name))?.[0];
    if (role !== undefined && once && (role !== "line" || valuesAt(rows, i).length > 0)) columns[role] = name;
  }
  // A column of times under a name of its own: Stichtag, or whatever an office calls it.
  if (columns["time"] === undefined) {
    const named = new Set(Object.values(columns));
    const name = header.find((one, i) => !named.has(one.trim()) && isTimes(valuesAt(rows, i)));
    if (name !== undefined) columns["time"] = name.trim();
  }
  const cells = (role: string): string[] => {
    const at = header.findIndex((one) => one.trim() === columns[role]);
    return at < 0 ? [] : valuesAt(rows, at);
  };
  const { time, zone } = timeOf([...cells("time"), ...cells("until")]);
  const readings =
    columns["quantity"] === undefined ? undefined : columns["until"] === undefined ? "register" : "interval";
  return {
    columns,
    time,
    zone,
    ...numbersOf([...cells("amount"), ...cells("quantity")]),
    scope: monthOf(cells("time"), time, zone),
    readings,
    types: [...new Set(cells("type"))].toSorted().slice(0, 20),
  };
}

const valuesAt = (rows: readonly (readonly string[])[], i: number): string[] =>
  rows.map((cells) => (cells[i] ?? "").trim()).filter((cell) => cell !== "");

/** Epochs are not meant: any number would be one. */
const isTimes = (values: readonly string[]): boolean =>
  values.length > 0 && values.every((value) => !/^\d*$/.test(value)) && patternOf(values) !== undefined;

const timeOf = (values: readonly string[]): Pick<Guess, "time" | "zone"> =>
  patternOf(values) ?? { time: "ISO", zone: "UTC" };

function patternOf(values: readonly string[]): Pick<Guess, "time" | "zone"> | undefined {
  for (const time of PATTERNS) {
    for (const zone of ["offset", "UTC"]) {
      const read = timeReader({ time, zone, ambiguous: "refuse" });
      if (values.length > 0 && values.every((value) => "us" in read(value)))
        return { time, zone: time.startsWith("epoch") ? "UTC" : zone };
    }
  }
  return undefined;
}

function numbersOf(values: readonly string[]): Pick<Guess, "decimal" | "thousands"> {
  const styles = [
    { decimal: ".", thousands: undefined },
    { decimal: ",", thousands: undefined },
    { decimal: ",", thousands: "." },
    { decimal: ".", thousands: "," },
  ] as const;
  return (
    styles.find((style) => values.every((value) => numberReader(style)(value) !== undefined)) ?? styles[0]
  );
}

function monthOf(values: readonly string[], time: string, zone: string): Guess["scope"] {
  const read = timeReader({ time, zone, ambiguous: "earlier" });
  const counts = new Map<string, number>();
  for (const value of values) {
    const found = read(value);
    if (!("us" in found)) continue;
    const month = new Date(found.us / 1000).toISOString().slice(0, 7);
    counts.set(month, (counts.get(month) ?? 0) + 1);
  }
  const [most = "2026-01"] = [...counts]
    .toSorted(([a, x], [b, y]) => y - x || (a < b ? -1 : 1))
    .map(([month]) => month);
  const [year = 2026, month = 1] = most.split("-").map(Number);
  const next = month === 12 ? `${year + 1}-01` : `${year}-${String(month + 1).padStart(2, "0")}`;
  return { from: `${most}-01`, to: `${next}-01` };
}
