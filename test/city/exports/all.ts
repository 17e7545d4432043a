/**
 * The exports of the city, with their maps, as files beside its log.
 *
 * @module
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { accountsOf, lookupTable } from "../accounts.ts";
import type { MadeCity } from "../city.ts";
import type { ExpectedLine, Sheet } from "./csv.ts";
import { windows1252 } from "./csv.ts";
import { billsMap, intervalsMap, registersMap, tollsMap, windowsMap } from "./maps.ts";
import { bills, intervals, registers } from "./readings.ts";
import { tolls } from "./tolls.ts";
import { windows } from "./windows.ts";

/** An export as it lies there: `name.csv` and `name.yaml`; what every line of it is found to be, and the keys that no line is about. */
export type Export = {
  readonly name: string;
  readonly lines: readonly ExpectedLine[];
  readonly unbilled: readonly string[];
};

/** Writes all of them to the city's folder. */
export function writeExports(city: MadeCity): readonly Export[] {
  const { folder, period } = city;
  const accounts = accountsOf(city);
  writeFileSync(join(folder, "accounts.csv"), lookupTable(accounts));
  const write = (
    name: string,
    map: string,
    sheet: Sheet,
    encode: (text: string) => Uint8Array | string,
  ): Export => {
    writeFileSync(join(folder, `${name}.csv`), encode(sheet.text));
    writeFileSync(join(folder, `${name}.yaml`), map);
    return { name, lines: sheet.lines, unbilled: sheet.unbilled };
  };
  const asIs = (text: string): string => text;
  return [
    write("tolls", tollsMap(period), tolls(city), windows1252),
    write("windows", windowsMap(period, "earlier"), windows(city), asIs),
    write("registers", registersMap(period), registers(accounts, period), asIs),
    write("intervals", intervalsMap(period), intervals(accounts, period), asIs),
    write("bills", billsMap(period), bills(accounts, period, city.untouched[0]), windows1252),
  ];
}
