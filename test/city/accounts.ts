/**
 * Who is billed for which meter: accounts, some of them behind a transformer, one of them with another meter since some day.
 *
 * @module
 */
import type { City } from "./city.ts";
import { REGISTER, type Meter } from "./meter.ts";

export type Account = {
  readonly name: string;
  /** What the register's kWh are to be multiplied by. */
  readonly multiplier: number;
  /** Its meters, in order; null: since ever, or until further notice. */
  readonly parts: readonly {
    readonly meter: Meter;
    readonly fromUnixS: number | null;
    readonly toUnixS: number | null;
  }[];
};

const TRANSFORMER = 40;
/** Every so many accounts. */
const WITH_TRANSFORMER = 7;

export function accountsOf({ meters, moves }: City): readonly Account[] {
  const accounts = meters.flatMap((meter, i): Account[] => {
    if (moves.some(({ to }) => to === meter)) return [];
    const move = moves.find(({ from }) => from === meter);
    const atUnixS = move?.atUnixS ?? null;
    const first = { meter, fromUnixS: null, toUnixS: atUnixS };
    const second = move && { meter: move.to, fromUnixS: atUnixS, toUnixS: null };
    const multiplier = i % WITH_TRANSFORMER === WITH_TRANSFORMER - 1 ? TRANSFORMER : 1;
    return [{ name: `E-${1001 + i}`, multiplier, parts: second === undefined ? [first] : [first, second] }];
  });
  return accounts;
}

/** The meter of an account at a time. */
export function meterAt({ parts, name }: Account, unixS: number): Meter {
  const part = parts.find(({ toUnixS }) => toUnixS === null || unixS < toUnixS);
  if (part === undefined) throw new Error(`${name}: no meter at ${unixS}`);
  return part.meter;
}

/** As `reconcile` reads it: account, stream and since when. */
export function lookupTable(accounts: readonly Account[]): string {
  const time = (unixS: number | null): string =>
    unixS === null ? "" : new Date(unixS * 1000).toISOString().replace(".000", "");
  const rows = accounts.flatMap(({ name, multiplier, parts }) =>
    parts.map(({ meter, fromUnixS, toUnixS }) =>
      [name, meter.name, REGISTER, multiplier, time(fromUnixS), time(toUnixS)].join(","),
    ),
  );
  return `${["account,stream,register,multiplier,from,to", ...rows].join("\n")}\n`;
}
