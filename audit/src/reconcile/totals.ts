/**
 * Sums by class, in count and money.
 *
 * @module
 */
import {
  FINDINGS,
  LINE_CLASSES,
  type ClassTotal,
  type LineClass,
  type LineRow,
  type Metric,
  type Money,
} from "./body.ts";
import { fileOf } from "./class-files.ts";
import { atPlaces, exactOf, exactText } from "./csv/number.ts";
import { toleratedOf, type ReconcileMap } from "./map/schema.ts";
import { moneyText, placesOf } from "./money.ts";

/** Rows of a class that the result itself shows. */
const MAX_EXAMPLES = 20;

export type Counted = {
  readonly class: LineClass;
  readonly type: string;
  readonly reason: string;
  readonly minor: number | null;
  readonly expected: number | null;
  readonly currency: string | null;
  readonly quantityBilled: string;
  readonly quantityProven: string;
};

type Sum = { billed: bigint; proven: bigint; attested: number; difference: bigint };
type Total = {
  count: number;
  readonly money: Map<string, Sum>;
  readonly reasons: Map<string, number>;
  readonly examples: LineRow[];
  billed: bigint;
  proven: bigint;
  counted: boolean;
};

/** Places at which quantities are summed: as many as any has. */
const PLACES = 12;

export class Totals {
  readonly #map: ReconcileMap;
  readonly #classes: ReadonlyMap<LineClass, Total>;
  #over = 0;
  #under = 0;
  #charges = 0;

  constructor(map: ReconcileMap) {
    this.#map = map;
    this.#classes = new Map(
      LINE_CLASSES.map((name) => [
        name,
        {
          count: 0,
          money: new Map(),
          reasons: new Map(),
          examples: [],
          billed: 0n,
          proven: 0n,
          counted: false,
        },
      ]),
    );
  }

  /** @param row - made only where it is kept */
  add(one: Counted, row: () => LineRow): void {
    const total = this.#of(one.class);
    total.count++;
    if (one.reason !== "") total.reasons.set(one.reason, (total.reasons.get(one.reason) ?? 0) + 1);
    if (total.examples.length < MAX_EXAMPLES) total.examples.push(row());
    this.#money(total, one);
    if (one.quantityBilled !== "" || one.quantityProven !== "") {
      total.counted = true;
      total.billed += digitsOf(one.quantityBilled);
      total.proven += digitsOf(one.quantityProven);
    }
    if (one.class !== "proven-not-billed" && one.type === "charge" && one.class !== "out-of-period")
      this.#charges++;
    if (one.class === "amount-differs") {
      const over =
        one.expected !== null && one.minor !== null
          ? one.minor > one.expected
          : / ?(?:too-large|too-much)$/.test(one.reason);
      if (over) this.#over++;
      else this.#under++;
    }
  }

  #money(total: Total, { minor, expected, currency }: Counted): void {
    if (currency === null) return;
    let sum = total.money.get(currency);
    if (sum === undefined)
      total.money.set(currency, (sum = { billed: 0n, proven: 0n, attested: 0, difference: 0n }));
    sum.billed += BigInt(minor ?? 0);
    if (expected === null) return;
    sum.attested++;
    sum.proven += BigInt(expected);
    sum.difference += BigInt((minor ?? 0) - expected);
  }

  count(name: LineClass): number {
    return this.#of(name).count;
  }

  /** Everything that was billed, by currency. */
  billed(): { readonly currency: string; readonly billed: string }[] {
    const sums = new Map<string, bigint>();
    for (const { money } of this.#classes.values()) {
      for (const [currency, { billed }] of money) sums.set(currency, (sums.get(currency) ?? 0n) + billed);
    }
    return sorted(sums).map(([currency, billed]) => ({ currency, billed: this.#text(billed, currency) }));
  }

  classes(): ClassTotal[] {
    return [...this.#classes].map(([name, total]) => ({
      class: name,
      count: total.count,
      money: sorted(total.money).map(([currency, sum]): Money => {
        const attested = sum.attested > 0;
        return {
          currency,
          billed: this.#text(sum.billed, currency),
          proven: attested ? this.#text(sum.proven, currency) : null,
          difference: attested ? this.#text(sum.difference, currency) : null,
        };
      }),
      quantity: total.counted
        ? { billed: quantityText(total.billed), proven: quantityText(total.proven) }
        : null,
      reasons: Object.fromEntries(sorted(total.reasons)),
      finding: FINDINGS.has(name),
      tolerated: toleratedOf(this.#map, name),
      file: fileOf(name),
      examples: total.examples,
    }));
  }

  /** Names as ISO/TS 37444 has them, as far as they fit: shares of what was charged, and of what was to be charged. */
  metrics(proven: number): Metric[] {
    const missed = this.count("proven-not-billed");
    const of = this.#charges;
    return [
      { name: "correct charging", count: this.count("billed-and-proven"), of },
      { name: "overcharging", count: this.#over + this.count("charged-twice"), of },
      { name: "undercharging", count: this.#under, of },
      { name: "false positive", count: this.count("billed-not-proven"), of },
      { name: "missed charging", count: Math.min(missed, proven), of: proven },
      { name: "completeness", count: Math.max(0, proven - missed), of: proven },
    ];
  }

  #of(name: LineClass): Total {
    const total = this.#classes.get(name);
    if (total === undefined) throw new Error(`no class ${name}`);
    return total;
  }

  #text(minor: bigint, currency: string): string {
    return moneyText(minor, placesOf(currency, this.#map.amount.places));
  }
}

const sorted = <T>(map: ReadonlyMap<string, T>): [string, T][] =>
  [...map].toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

function digitsOf(text: string): bigint {
  const value = text === "" ? undefined : exactOf(text);
  return value === undefined ? 0n : (atPlaces(value, PLACES) ?? 0n);
}

/** Without zeros that nobody wrote. */
const quantityText = (digits: bigint): string =>
  exactText(digits, PLACES)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "");
