/**
 * The toll office's export: a line for a trip, or several; charges, corrections, refunds and discounts. windows-1252.
 *
 * @module
 */
import type { City } from "../city.ts";
import { reratedCents } from "../faults/passages.ts";
import type { Trip } from "../trips.ts";
import { HOUR_S } from "../calendar.ts";
import { commaText, localText, Sheet } from "./csv.ts";

/** In percent, by the code that a line has. */
export const DISCOUNT = { code: "VIEL10", percent: 10 } as const;
const LONG_AGO_S = 40 * 24 * HOUR_S;
const OVERCHARGED_CENTS = 100;

export function tolls({ trips, period }: City): Sheet {
  const sheet = new Sheet([
    "Zeile",
    "Vorgang",
    "Fahrt",
    "Durchfahrten",
    "Bezug",
    "Zeitpunkt",
    "Betrag €",
    "Rabatt",
  ]);
  const bill = new Bill(sheet);
  const [invented, old] = [
    { trip: "X1", keys: ["T999999-1"] },
    { trip: "X2", keys: ["T999998-1"] },
  ];
  bill.charge({ ...invented, unixS: period.fromUnixS + HOUR_S, cents: 250 }, "billed-not-proven");
  bill.charge({ ...old, unixS: period.fromUnixS - LONG_AGO_S, cents: 250 }, "out-of-period");
  for (const trip of trips) sheet.unbilled.push(...billTrip(bill, trip));
  return sheet;
}

/** Bills a trip as its fate has it. Returns the keys that no line is about. */
function billTrip(bill: Bill, { id: trip, passages, fate }: Trip): readonly string[] {
  const [first] = passages;
  if (first === undefined) return [];
  const keys = passages.map(({ tx }) => tx);
  const unixS = Math.floor(first.timeMs / 1000);
  const cents = passages.reduce((sum, passage) => sum + passage.cents, 0);
  const whole = { trip, keys, unixS, cents };
  const discounted = cents - Math.round((cents * DISCOUNT.percent) / 100);
  switch (fate) {
    case "unbilled":
      return keys;
    case "plain":
    case "twin":
      bill.charge(whole, "billed-and-proven");
      break;
    case "spread":
      // All of it on the first line, nothing on the others: the sum is the trip's.
      for (const [i, { tx, timeMs }] of passages.entries())
        bill.charge(
          { trip, keys: [tx], unixS: Math.floor(timeMs / 1000), cents: i === 0 ? cents : 0 },
          "billed-and-proven",
        );
      break;
    case "twice":
      bill.charge(whole, "billed-and-proven");
      bill.charge(whole, "charged-twice");
      break;
    case "overcharged":
      bill.charge({ ...whole, cents: cents + OVERCHARGED_CENTS }, "amount-differs");
      break;
    case "lost":
      bill.charge(whole, "billed-not-proven");
      break;
    case "refunded":
      bill.charge(whole, "billed-and-proven");
      bill.change("Erstattung", { ...whole, cents: -cents }, "adjusted");
      break;
    case "rerated":
      bill.charge(whole, "billed-and-proven");
      bill.change("Korrektur", { ...whole, cents: reratedCents(first) - cents }, "adjusted");
      break;
    case "superseded":
      bill.charge({ ...whole, cents: reratedCents(first) }, "billed-and-proven");
      break;
    case "superseded-unheeded":
      bill.charge(whole, "amount-differs");
      break;
    case "unattested":
      bill.charge(whole, "amount-not-attested");
      break;
    case "discounted":
      bill.charge({ ...whole, cents: discounted, discount: DISCOUNT.code }, "billed-and-proven");
      break;
    case "misdiscounted":
      bill.charge({ ...whole, cents: discounted - 1, discount: DISCOUNT.code }, "amount-differs");
      break;
  }
  return [];
}

type Item = {
  readonly trip: string;
  readonly keys: readonly string[];
  readonly unixS: number;
  readonly cents: number;
  readonly discount?: string;
};

class Bill {
  readonly #sheet: Sheet;
  #count = 0;

  constructor(sheet: Sheet) {
    this.#sheet = sheet;
  }

  charge(item: Item, found: string): void {
    this.#add("Maut", item.keys.join("+"), "", item, found);
  }

  /** A line that names what it changes. */
  change(type: string, item: Item, found: string): void {
    this.#add(type, "", item.keys.join("+"), item, found);
  }

  #add(
    type: string,
    key: string,
    reference: string,
    { trip, unixS, cents, discount = "" }: Item,
    found: string,
  ): void {
    const line = `B${++this.#count}`;
    this.#sheet.add(
      [line, type, trip, key, reference, localText(unixS), commaText(cents, 2), discount],
      found,
    );
  }
}
