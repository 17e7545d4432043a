/**
 * How the city's exports are to be read. A map is YAML, of which JSON is a part.
 *
 * @module
 */
import { localTime, ZONE, type Period } from "../calendar.ts";
import { REGISTER } from "../meter.ts";
import { DISCOUNT } from "./tolls.ts";
import { PRICE_CENTICENTS } from "./readings.ts";

const LOOKUP = { file: "accounts.csv" } as const;
const GERMAN = { separator: ";", decimal: ",", thousands: "." } as const;
const LOCAL = { ...GERMAN, zone: ZONE, time: "DD.MM.YYYY HH:mm:ss" } as const;

const scopeOf = ({ fromUnixS, toUnixS }: Period): object => ({
  from: dateText(fromUnixS),
  to: dateText(toUnixS),
  zone: ZONE,
});

const mapText = (map: object): string => `${JSON.stringify({ version: 1, ...map }, null, 2)}\n`;

export const tollsMap = (period: Period): string =>
  mapText({
    csv: {
      ...LOCAL,
      encoding: "windows-1252",
      ambiguous: "earlier",
      columns: {
        line: "Zeile",
        type: "Vorgang",
        trip: "Fahrt",
        key: "Durchfahrten",
        reference: "Bezug",
        time: "Zeitpunkt",
        amount: "Betrag €",
        discount: "Rabatt",
      },
    },
    scope: scopeOf(period),
    match: { by: "key", event: "id", split: "+" },
    group: { by: "trip" },
    types: { charge: "Maut", adjustment: "Korrektur", refund: "Erstattung", reference: "key" },
    amount: { by: "event", currency: "EUR", discounts: { [DISCOUNT.code]: DISCOUNT.percent } },
  });

export const windowsMap = (period: Period, ambiguous: "refuse" | "earlier"): string =>
  mapText({
    csv: { ...LOCAL, ambiguous, columns: { time: "passed", amount: "amount" } },
    scope: scopeOf(period),
    match: {
      by: "window",
      before: "60s",
      after: "60s",
      margin: "60s",
      same: { plaza: "plaza", lane: "lane" },
    },
    amount: { by: "event", currency: "EUR" },
  });

export const registersMap = (period: Period): string =>
  mapText({
    csv: { ...LOCAL, columns: { account: "account", time: "read", quantity: "kWh" } },
    scope: scopeOf(period),
    pick: { value: "register", maxAge: "0" },
    lookup: LOOKUP,
    amount: { by: "none" },
  });

export const intervalsMap = (period: Period): string =>
  mapText({
    csv: {
      ...GERMAN,
      zone: "offset",
      time: "ISO",
      columns: { account: "account", time: "from", until: "until", quantity: "kWh" },
    },
    scope: scopeOf(period),
    pick: { value: "interval", register: REGISTER, maxAge: "0" },
    lookup: LOOKUP,
    amount: { by: "none" },
  });

export const billsMap = (period: Period): string =>
  mapText({
    csv: {
      ...LOCAL,
      encoding: "windows-1252",
      columns: { account: "Konto", time: "von", until: "bis", quantity: "Verbrauch kWh", amount: "Betrag €" },
    },
    scope: scopeOf(period),
    pick: { value: "interval", maxAge: "0" },
    lookup: LOOKUP,
    amount: {
      by: "tariff",
      currency: "EUR",
      tariff: { rows: [{ key: [], price: String(PRICE_CENTICENTS / 10_000) }] },
    },
  });

function dateText(unixS: number): string {
  const { year, month, day } = localTime(unixS);
  return `${year}-${month}-${day}`;
}
