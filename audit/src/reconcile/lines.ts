/**
 * One row of an export as the claim it is.
 *
 * @module
 */
import { readHeader, type Header } from "./csv/header.ts";
import { exactText, numberReader, type Exact } from "./csv/number.ts";
import type { Row } from "./csv/rows.ts";
import { timeReader } from "./csv/time.ts";
import { shown, type Faults } from "./faults.ts";
import type { ReconcileMap } from "./map/schema.ts";
import { minorUnits, placesOf } from "./money.ts";

export type LineType = "charge" | "adjustment" | "refund";

/** What a line says. Times in microseconds; `null` where the export has no such column, or nothing in it. */
export type Line = {
  readonly line: number;
  readonly type: LineType;
  readonly key: string | null;
  readonly name: string | null;
  readonly ref: string | null;
  readonly trip: string | null;
  readonly account: string | null;
  readonly t: number | null;
  readonly until: number | null;
  readonly minor: number | null;
  readonly currency: string | null;
  readonly quantity: string | null;
  readonly discount: string | null;
  readonly facet: string | null;
  readonly fields: string | null;
};

/** Names a column in the key of a tariff. */
const COLUMN = "column:";
/** Longest key or name, and longest list of keys. */
const MAX_CELL = 4096;

/** Columns that a map names in one way or another. */
function wantedColumns({ csv, match, amount }: ReconcileMap): string[] {
  const own = Object.values(csv.columns).flatMap((given) => given ?? []);
  const same = match?.by === "window" ? Object.values(match.same) : [];
  return [...own, ...same, ...tariffColumns(amount)];
}

const tariffColumns = (amount: ReconcileMap["amount"]): string[] =>
  amount.by === "tariff"
    ? (amount.tariff?.key ?? [])
        .filter((one) => one.startsWith(COLUMN))
        .map((one) => one.slice(COLUMN.length))
    : [];

/** Reads a row; undefined where it is left out by its type, or has a fault, which is told. */
export type LineReader = (row: Row) => Line | "ignored" | undefined;

/**
 * Makes the reader of an export from its header.
 *
 * @throws ConfigError where a column is missing or doubled
 */
export function lineReader(
  map: ReconcileMap,
  headerRow: Row,
  faults: Faults,
): LineReader & { readonly header: Header } {
  const { csv, types, amount, match } = map;
  const { columns } = csv;
  const header = readHeader(headerRow, wantedColumns(map), faults);
  const cellOf = (name: string | undefined): ((row: Row) => string | null) => {
    if (name === undefined) return () => null;
    const place = header.placeOf(name);
    return (row) => {
      const text = (row.cells[place] ?? "").trim();
      return text === "" ? null : text;
    };
  };
  const keyed = (name: string | undefined): ((row: Row) => string | null) => {
    const read = cellOf(name);
    return (row) => {
      const text = read(row);
      if (text !== null && text.length > MAX_CELL)
        faults.add(row.line, name, `${text.length} characters; is this the right column`);
      return text;
    };
  };
  const number = numberReader(csv);
  const exact = (name: string | undefined): ((row: Row) => Exact | null) => {
    const read = cellOf(name);
    return (row) => {
      const text = read(row);
      if (text === null) return null;
      const value = number(text);
      if (value === undefined) {
        faults.add(
          row.line,
          name,
          `${shown(text)} is no number as the map has it; set csv.decimal and csv.thousands`,
        );
        return null;
      }
      return value;
    };
  };
  const asText = (value: Exact | null): string | null =>
    value === null ? null : exactText(value.digits, value.places);
  const read = {
    key: keyed(columns.key),
    name: keyed(columns.line),
    ref: keyed(columns.reference),
    type: cellOf(columns.type),
    trip: keyed(columns.trip),
    account: keyed(columns.account),
    amount: exact(columns.amount),
    currency: cellOf(columns.currency),
    quantity: exact(columns.quantity),
    discountCode: cellOf(columns.discount),
    discount: amount.discounts === undefined ? exact(columns.discount) : () => null,
    same:
      match?.by === "window"
        ? Object.entries(match.same).map(([field, name]) => [field, cellOf(name)] as const)
        : [],
    tariff: tariffColumns(amount).map((name) => [name, cellOf(name)] as const),
  };
  const typeOf = typeReader(types);
  const time = timeCells(map, header, faults);
  const money = (row: Row, negate: boolean): Pick<Line, "minor" | "currency"> => {
    const value = read.amount(row);
    const currency = read.currency(row) ?? amount.currency ?? null;
    if (value === null || columns.amount === undefined) {
      return { minor: null, currency: columns.amount === undefined ? null : currency };
    }
    if (currency === null || !/^[A-Z]{3}$/.test(currency)) {
      faults.add(
        row.line,
        columns.currency,
        `${shown(currency ?? "")} is no currency; three letters, e.g. EUR`,
      );
      return { minor: null, currency: null };
    }
    const minor = minorUnits(value, placesOf(currency, amount.places));
    if (minor === undefined) {
      const text = exactText(value.digits, value.places);
      faults.add(
        row.line,
        columns.amount,
        `${text} has more places than ${currency}, or is too large; set amount.places`,
      );
      return { minor: null, currency };
    }
    return { minor: negate && minor !== 0 ? -minor : minor, currency };
  };
  const reader: LineReader = (row) => {
    const said = read.type(row);
    const kind = typeOf(said);
    if (kind === "ignored") return "ignored";
    if (kind === undefined) {
      faults.add(
        row.line,
        columns.type,
        `${shown(said ?? "")} is no type of the map; add it to types, to ignore where it doesn't count`,
      );
      return undefined;
    }
    const code = read.discountCode(row);
    const discount =
      amount.discounts === undefined ? asText(read.discount(row)) : codeOf(code, amount.discounts);
    if (discount === undefined)
      faults.add(
        row.line,
        columns.discount,
        `${shown(code ?? "")} is no discount of the map; add it to amount.discounts`,
      );
    const ref = read.ref(row);
    if (kind.type !== "charge" && ref === null)
      faults.add(
        row.line,
        columns.reference,
        `empty, and a line of type ${kind.type} must name what it changes`,
      );
    if (columns.amount !== undefined && kind.type !== "charge" && read.amount(row) === null)
      faults.add(row.line, columns.amount, `empty, and a line of type ${kind.type} must say how much`);
    return {
      line: row.line,
      type: kind.type,
      key: read.key(row),
      name: read.name(row),
      ref: kind.type === "charge" ? null : ref,
      trip: read.trip(row),
      account: read.account(row),
      ...time(row),
      ...money(row, kind.negate),
      quantity: asText(read.quantity(row)),
      discount: discount ?? null,
      facet: read.same.length === 0 ? null : JSON.stringify(read.same.map(([, cell]) => cell(row))),
      fields:
        read.tariff.length === 0
          ? null
          : JSON.stringify(Object.fromEntries(read.tariff.map(([name, cell]) => [name, cell(row)]))),
    };
  };
  return Object.assign(reader, { header });
}

/** The percent of a code; null where there is none, undefined where the map doesn't know it. */
const codeOf = (code: string | null, codes: Readonly<Record<string, string>>): string | null | undefined =>
  code === null ? null : Object.hasOwn(codes, code) ? codes[code] : undefined;

type Kind = { readonly type: LineType; readonly negate: boolean };

function typeReader(types: ReconcileMap["types"]): (text: string | null) => Kind | "ignored" | undefined {
  if (types === undefined) return () => ({ type: "charge", negate: false });
  const known = new Map<string, Kind | "ignored">();
  for (const type of ["charge", "adjustment", "refund"] as const) {
    for (const value of types[type]?.values ?? [])
      known.set(value, { type, negate: types[type]?.sign === "negate" });
  }
  for (const value of types.ignore ?? []) known.set(value, "ignored");
  return (text) => known.get(text ?? "");
}

/** Reads `time` and `until`, each from one column or several. */
function timeCells(
  { csv, pick, match }: ReconcileMap,
  header: Header,
  faults: Faults,
): (row: Row) => { readonly t: number | null; readonly until: number | null } {
  const read = timeReader(csv);
  const cell = (names: readonly string[] | undefined, needed: boolean, lastDay: boolean) => {
    if (names === undefined) return () => null;
    const places = names.map((name) => header.placeOf(name));
    const label = names.join(" + ");
    return (row: Row): number | null => {
      const text = places
        .map((place) => (row.cells[place] ?? "").trim())
        .join(" ")
        .trim();
      if (text === "") {
        if (needed) faults.add(row.line, label, "empty, and the map needs a time in each line");
        return null;
      }
      const found = read(text, lastDay);
      if ("us" in found) return found.us;
      faults.add(row.line, label, `${shown(text)} ${found.fault}`);
      return null;
    };
  };
  const needed = pick !== undefined || match?.by === "window";
  const t = cell(csv.columns.time, needed, false);
  const until = cell(csv.columns.until, pick?.value === "interval", csv.until === "last-day");
  return (row) => {
    const found = { t: t(row), until: until(row) };
    if (found.t !== null && found.until !== null && found.until < found.t)
      faults.add(
        row.line,
        csv.columns.until?.join(" + "),
        "ends before it begins; are the columns in csv.columns swapped",
      );
    return found;
  };
}
