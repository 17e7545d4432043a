/**
 * A table of prices, by members of the event and columns of the line, as it was at a time.
 *
 * @module
 */
import { ConfigError } from "@tallystick/evidence/node";
import { readInstant } from "../calendar.ts";
import type { ResultInput } from "../result.ts";
import { exactOf, type Exact } from "./csv/number.ts";
import type { LoadedMap } from "./map/load.ts";
import type { TariffRow } from "./map/schema.ts";
import { readTable } from "./tables.ts";

/** What a row of the table gives: a fixed amount, a price for each unit of quantity, or both. */
type Price = { readonly amount: Exact | undefined; readonly price: Exact | undefined };

export type Tariff = {
  /** The price of a key at a time; undefined where the table has none, or two. */
  priceOf(key: readonly (string | null)[], t: number | null): Price | undefined;
};

type Entry = Price & { readonly since: number; readonly until: number };

/** A table of tariffs is small: this many rows are a mistake. */
const MAX_ROWS = 100_000;

/**
 * Reads the table that the map names or holds.
 *
 * @throws ConfigError for a number or a time that is none, and a table with too many rows
 */
export async function loadTariff(
  loaded: LoadedMap,
): Promise<{ tariff: Tariff | undefined; inputs: ResultInput[] }> {
  const { map, scope, input, path } = loaded;
  const given = map.amount.tariff;
  if (map.amount.by !== "tariff" || given === undefined) return { tariff: undefined, inputs: [] };
  const entries = new Map<string, Entry[]>();
  let rows = 0;
  const add = (row: TariffRow, say: (column: string, what: string) => void): void => {
    if (row.key.length !== given.key.length)
      return say("key", `${row.key.length} parts, and amount.tariff.key has ${given.key.length}`);
    if (row.amount === undefined && row.price === undefined)
      return say("amount", "give an amount, a price, or both");
    const at = (column: "from" | "to", otherwise: number): number => {
      const text = row[column];
      if (text === undefined) return otherwise;
      const read = readInstant(scope.zone, text);
      if ("at" in read) return read.at * 1_000_000;
      say(column, `${text}: ${read.fault} in ${scope.zone.name}; give a date, or a time with its offset`);
      return otherwise;
    };
    const number = (column: "amount" | "price"): Exact | undefined => {
      const text = row[column];
      const value = text === undefined ? undefined : exactOf(text);
      if (text !== undefined && value === undefined) say(column, `${text}: give a decimal number, e.g. 3.50`);
      return value;
    };
    if (++rows > MAX_ROWS)
      throw new ConfigError([
        `${input.name}: amount.tariff: more than ${MAX_ROWS} rows; is it the right table`,
      ]);
    const entry = {
      amount: number("amount"),
      price: number("price"),
      since: at("from", -Infinity),
      until: at("to", Infinity),
    };
    const key = JSON.stringify(row.key);
    const known = entries.get(key);
    if (known === undefined) entries.set(key, [entry]);
    else known.push(entry);
  };
  for (const [i, row] of (given.rows ?? []).entries()) {
    add(row, (column, what) => {
      throw new ConfigError([`${input.name}: amount.tariff.rows.${i}.${column}: ${what}`]);
    });
  }
  const names = given.key.map((one) => one.replace(/^column:/, ""));
  const inputs =
    given.file === undefined
      ? []
      : [
          await readTable(
            path(given.file),
            { needed: names, known: ["amount", "price", "from", "to"] },
            ({ line, cells }, faults) => {
              const { amount, price, from, to } = cells;
              const key = names.map((name) => cells[name] ?? "");
              add({ key, amount, price, from, to }, (column, what) => faults.add(line, column, what));
            },
          ),
        ];
  return {
    tariff: {
      priceOf(key, t) {
        const found = (entries.get(JSON.stringify(key)) ?? []).filter(
          ({ since, until }) => t === null || (since <= t && t < until),
        );
        return found.length === 1 ? found[0] : undefined;
      },
    },
    inputs,
  };
}
