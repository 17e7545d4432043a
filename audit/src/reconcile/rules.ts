/**
 * What amounts a line may have: what the evidence says, the discount, the tolerance, the period.
 *
 * @module
 */
import { atPlaces, exactOf, type Exact } from "./csv/number.ts";
import type { Scope } from "./map/load.ts";
import type { ReconcileMap, RoundingMode } from "./map/schema.ts";
import { discounted, placesOf, rounded } from "./money.ts";
import { within } from "./stage.ts";
import type { Tariff } from "./tariff.ts";

/** An event that has standing, the newest of its kind; `tariff`: members that the table goes by. */
export type Proof = {
  readonly id: number;
  readonly t: number | null;
  readonly minor: number | null;
  readonly currency: string | null;
  readonly forked: boolean;
  readonly tariff: readonly (string | null)[];
};

/** What a line asks for. */
export type Asked = {
  readonly t: number | null;
  readonly minor: number | null;
  readonly currency: string | null;
  readonly discount: string | null;
  readonly fields: Readonly<Record<string, string | null>>;
};

export type Expected = { readonly minor: number; readonly currency: string };

export class Rules {
  readonly #map: ReconcileMap;
  readonly #scope: Scope;
  readonly #tariff: Tariff | undefined;
  readonly #mode: RoundingMode;

  constructor(map: ReconcileMap, scope: Scope, tariff: Tariff | undefined) {
    this.#map = map;
    this.#scope = scope;
    this.#tariff = tariff;
    this.#mode = map.round.money;
  }

  /** Whether a trip has one price, by a table, and not the sum of its events' amounts. */
  get byTrip(): boolean {
    return this.#map.amount.by === "tariff";
  }

  /**
   * What the events of a line, or of a trip, ask for; undefined where nothing says it.
   *
   * @param proofs - in the order of their times
   */
  expected(proofs: readonly Proof[], { currency, discount, fields }: Asked): Expected | undefined {
    const full =
      this.#map.amount.by === "tariff" ? this.#byTariff(proofs, currency, fields) : this.#byEvent(proofs);
    if (full === undefined || discount === null) return full;
    const percent = exactOf(discount);
    return percent === undefined
      ? undefined
      : { ...full, minor: discounted(full.minor, percent, this.#mode) };
  }

  #byEvent(proofs: readonly Proof[]): Expected | undefined {
    const [first] = proofs;
    if (this.#map.amount.by === "none" || first === undefined || first.currency === null) return undefined;
    let minor = 0;
    for (const one of proofs) {
      if (one.minor === null || one.currency !== first.currency) return undefined;
      minor += one.minor;
    }
    return Number.isSafeInteger(minor) ? { minor, currency: first.currency } : undefined;
  }

  #byTariff(
    proofs: readonly Proof[],
    currency: string | null,
    fields: Asked["fields"],
  ): Expected | undefined {
    const names = this.#map.amount.tariff?.key ?? [];
    const [first, last] = [proofs[0], proofs.at(-1)];
    let member = 0;
    const key = names.map((name) => {
      if (name.startsWith("column:")) return fields[name.slice("column:".length)] ?? null;
      const from = name.startsWith("last.") ? last : first;
      return from?.tariff[member++] ?? null;
    });
    return this.priced(key, first?.t ?? null, currency);
  }

  /** The price of a key, for a quantity where it has one. */
  priced(
    key: readonly (string | null)[],
    t: number | null,
    currency: string | null,
    quantity?: Exact,
  ): Expected | undefined {
    if (currency === null) return undefined;
    const row = this.#tariff?.priceOf(key, t);
    if (row === undefined || (row.price !== undefined && quantity === undefined)) return undefined;
    const places = placesOf(currency, this.#map.amount.places);
    const fixed = row.amount ?? ZERO;
    const variable =
      row.price === undefined || quantity === undefined
        ? ZERO
        : { digits: row.price.digits * quantity.digits, places: row.price.places + quantity.places };
    const most = Math.max(fixed.places, variable.places);
    const sum = { digits: (atPlaces(fixed, most) ?? 0n) + (atPlaces(variable, most) ?? 0n), places: most };
    const minor = Number(rounded(sum, places, this.#mode));
    return Number.isSafeInteger(minor) ? { minor, currency } : undefined;
  }

  /** Whether two amounts of a currency are the same but for the tolerance. */
  agree(minor: number, expected: number, currency: string): boolean {
    if (minor === expected) return true;
    const tolerance = exactOf(this.#map.tolerance.amount) ?? ZERO;
    const most = rounded(tolerance, placesOf(currency, this.#map.amount.places), "down");
    return BigInt(Math.abs(minor - expected)) <= most;
  }

  /** Why a line is of another period, or undefined where it is of this one: one of the two times must be of the scope, the other may be in its grace. */
  otherPeriod(
    line: number | null,
    event: number | null,
  ): "line-out-of-period" | "event-out-of-period" | undefined {
    const { from, to } = this.#scope;
    const own = (t: number): boolean => from <= t && t < to;
    if (line !== null && !this.near(line)) return "line-out-of-period";
    if (event === null) return line === null || own(line) ? undefined : "line-out-of-period";
    if (!this.near(event)) return "event-out-of-period";
    return own(event) || (line !== null && own(line)) ? undefined : "event-out-of-period";
  }

  /** The same of an adjustment or a refund: it may come long after its event, and is of its own period; in the grace, of its event's. */
  otherPeriodOfChange(line: number | null, event: number | null): ReturnType<Rules["otherPeriod"]> {
    if (line === null) return undefined;
    return this.otherPeriod(line, null) === undefined ? undefined : this.otherPeriod(line, event ?? line);
  }

  /** Whether an instant is of the scope or its grace. */
  near(t: number): boolean {
    return within(this.#scope, { t, until: null });
  }
}

const ZERO: Exact = { digits: 0n, places: 0 };
