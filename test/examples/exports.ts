/**
 * The exports and maps of the worked examples, and how many lines of each class they have.
 *
 * @module
 */
import type { LineClass } from "../../audit/src/reconcile/body.ts";

export type Example = {
  readonly name: string;
  /** Files beside the evidence: export, map, tables. */
  readonly files: Readonly<Record<string, string | Uint8Array>>;
  readonly counts: Partial<Readonly<Record<LineClass, number>>>;
};

const windows1252 = (text: string): Uint8Array =>
  Uint8Array.from(text.split(""), (char) => (char === "€" ? 0x80 : (char.codePointAt(0) ?? 0)));

const TOLLS_MAP = `# Toll lines of November, as the billing office exports them: German, windows-1252.
version: 1
csv:
  separator: ";"
  encoding: windows-1252
  decimal: ","
  zone: Europe/Vienna
  time: DD.MM.YYYY HH:mm:ss
  columns:
    type: Vorgang
    key: Durchfahrt
    reference: Bezug
    trip: Fahrt
    time: Zeitpunkt
    amount: Betrag €
    discount: Rabatt
scope:
  from: 2026-11-01
  to: 2026-12-01
  zone: Europe/Vienna
  grace: { before: 1h, after: 1h }
match: { by: key, event: id }
group: { by: trip }
types:
  charge: Maut
  adjustment: Korrektur
  refund: { values: Erstattung, sign: negate } # refunds are exported without a minus
  ignore: Summe
amount:
  by: event
  currency: EUR
  discounts: { VIEL10: 10 }
`;

const TOLLS = `Vorgang;Durchfahrt;Bezug;Fahrt;Zeitpunkt;Betrag €;Rabatt
Maut;N-101;;;02.11.2026 08:10:00;3,50;
Maut;N-102;;F-1;02.11.2026 08:15:30;7,70;
Maut;S-201;;F-1;02.11.2026 08:55:12;0,00;
Maut;N-103;;;05.11.2026 17:20:00;3,50;
Maut;N-103;;;05.11.2026 17:20:00;3,50;
Maut;N-104;;;06.11.2026 09:00:00;4,50;
Maut;S-202;;;07.11.2026 10:30:00;4,20;
Erstattung;;S-202;;15.11.2026 09:00:00;1,20;
Maut;S-203;;;08.11.2026 11:00:00;3,78;VIEL10
Maut;S-204;;;09.11.2026 12:00:00;4,20;
Maut;N-105;;;10.11.2026 13:00:00;3,50;
Maut;S-205;;;12.11.2026 15:00:00;8,00;
Korrektur;;S-205;;20.11.2026 09:00:00;-3,80;
Maut;S-999;;;13.11.2026 12:00:00;4,20;
Maut;N-107;;;01.12.2026 07:00:00;3,50;
Summe;;;;;57,98;
`;

const ACCOUNTS = `account,stream,register,multiplier,from,to
K-1,grid/gw-1/meter/e-1,1-0:1.8.0,1,,
K-2,grid/gw-2/meter/e-2,1-0:1.8.0,40,,
K-3,grid/gw-3/meter/e-3,1-0:1.8.0,1,,
K-4,grid/gw-4/meter/e-4,1-0:1.8.0,1,,
`;

const REGISTERS_MAP = `# Registers at the end of November, as read for billing.
version: 1
csv:
  separator: ";"
  decimal: ","
  thousands: "."
  zone: Europe/Vienna
  time: DD.MM.YYYY
  columns: { account: Konto, time: Stichtag, quantity: Zählerstand }
scope: { from: 2026-11-01, to: 2026-12-01, zone: Europe/Vienna }
pick:
  value: register
  maxAge: 15m # the last reading before midnight, if it is no older
  refuse: [estimated, device-error, conflict, future]
lookup: { file: accounts.csv } # K-2 is behind a transformer: what its register counts is a fortieth
amount: { by: none }
`;

const REGISTERS = `Konto;Stichtag;Zählerstand
K-1;01.12.2026;430,75
K-2;01.12.2026;172.000
K-3;01.12.2026;900
`;

const INTERVALS_MAP = `# Consumption of the day on which the clocks were set back, hour by hour, with what it costs.
version: 1
csv:
  separator: ";"
  decimal: ","
  zone: offset # each time says its own: 02:00 came twice
  columns: { account: account, time: from, until: until, quantity: kWh, amount: amount }
scope: { from: 2026-10-25, to: 2026-10-26, zone: Europe/Vienna }
pick: { value: interval, maxAge: 0 }
lookup: { file: accounts.csv }
amount:
  by: tariff
  currency: EUR
  tariff:
    rows:
      - { key: [], price: 0.2143 } # for a kWh
round: { money: half-up }
tolerance: { findings: { billed-not-proven: 3 } } # two registers are missing, as the operator has explained: so three hours can't be proven
`;

const hours = (account: string, first: number, wh: (hour: number) => number): string[] =>
  Array.from({ length: 25 }, (_, hour) => {
    const used = wh(hour) * first;
    const cents = Math.round((used * 2143) / 100_000);
    return [account, local(hour), local(hour + 1), comma(used, 3), comma(cents, 2)].join(";");
  });

/** Hours since midnight of the 25th of October in Vienna. */
function local(hour: number): string {
  const offset = hour < 3 ? 2 : 1;
  const wall = new Date(Date.parse("2026-10-24T22:00:00Z") + (hour + offset) * 3_600_000)
    .toISOString()
    .slice(0, 19);
  return `${wall}+0${offset}:00`;
}

const comma = (value: number, places: number): string =>
  (value / 10 ** places).toFixed(places).replace(".", ",");

function intervals(): string {
  const one = hours("K-1", 1, (hour) => 250 + hour);
  const two = hours("K-2", 40, (hour) => 100 + 2 * hour);
  // An hour of K-1 was billed twice; of another the comma was lost.
  const lost = (one[20] ?? "").replace("0,270", "270,000");
  return `${["account;from;until;kWh;amount", ...one.slice(0, 20), lost, ...one.slice(21), one[5] ?? "", ...two].join("\n")}\n`;
}

export const EXAMPLES: readonly Example[] = [
  {
    name: "tolls",
    files: { "tolls.csv": windows1252(TOLLS), "tolls.yaml": TOLLS_MAP },
    counts: {
      "billed-and-proven": 8,
      "billed-not-proven": 1,
      "amount-differs": 1,
      "charged-twice": 1,
      adjusted: 2,
      "out-of-period": 1,
      "amount-not-attested": 1,
      "proven-not-billed": 2,
    },
  },
  {
    name: "registers",
    files: { "registers.csv": REGISTERS, "registers.yaml": REGISTERS_MAP, "accounts.csv": ACCOUNTS },
    counts: { "billed-and-proven": 2, "billed-not-proven": 1, "proven-not-billed": 1 },
  },
  {
    name: "intervals",
    files: { "intervals.csv": intervals(), "intervals.yaml": INTERVALS_MAP },
    counts: { "billed-and-proven": 46, "billed-not-proven": 3, "amount-differs": 1, "charged-twice": 1 },
  },
];
