/**
 * The utility's exports: registers as they stood at each midnight, consumption hour by hour, and a bill for the whole period.
 *
 * @module
 */
import { meterAt, type Account } from "../accounts.ts";
import { at, HOUR_S, offsetS, type Period } from "../calendar.ts";
import type { Meter } from "../meter.ts";
import { commaText, localText, Sheet } from "./csv.ts";

/** Cents for a kWh, in hundredths. */
export const PRICE_CENTICENTS = 2143;

/** A line for each account and midnight. */
export function registers(accounts: readonly Account[], period: Period): Sheet {
  const sheet = new Sheet(["account", "read", "kWh"]);
  for (const account of accounts) {
    for (let day = 0; day <= period.days; day++) {
      const unixS = at(period, day, 0);
      const meter = meterAt(account, unixS);
      const wh = (meter.shownWh.get(unixS) ?? 0) * account.multiplier;
      const found = meter.proves(unixS) ? "billed-and-proven" : "billed-not-proven";
      sheet.add([account.name, localText(unixS), commaText(wh, 3)], found);
    }
  }
  return sheet;
}

/** A line for each account and hour. Each time says its own offset, so that none is ambiguous. */
export function intervals(accounts: readonly Account[], { fromUnixS, toUnixS }: Period): Sheet {
  const sheet = new Sheet(["account", "from", "until", "kWh"]);
  for (const account of accounts) {
    for (let unixS = fromUnixS; unixS < toUnixS; unixS += HOUR_S) {
      const { wh, found } = consumption(meterAt(account, unixS), unixS, unixS + HOUR_S);
      const cells = [account.name, offsetText(unixS), offsetText(unixS + HOUR_S)];
      sheet.add([...cells, commaText(wh * account.multiplier, 3)], found);
    }
  }
  return sheet;
}

/**
 * A line for each account, or each of its meters: kWh of the whole period, and what they cost.
 *
 * @param misread - a meter whose decimal comma the office lost: billed are a thousand times as many kWh
 */
export function bills(
  accounts: readonly Account[],
  { fromUnixS, toUnixS }: Period,
  misread: Meter | undefined,
): Sheet {
  const sheet = new Sheet(["Konto", "von", "bis", "Verbrauch kWh", "Betrag €"]);
  for (const { name, multiplier, parts } of accounts) {
    for (const part of parts) {
      const [from, until] = [part.fromUnixS ?? fromUnixS, part.toUnixS ?? toUnixS];
      const used = consumption(part.meter, from, until);
      const isMisread = part.meter === misread;
      const wh = isMisread ? used.wh * 1000 : used.wh;
      const cents = Math.round((wh * multiplier * PRICE_CENTICENTS) / 100_000);
      const cells = [name, localText(from), localText(until)];
      sheet.add(
        [...cells, commaText(wh * multiplier, 3), commaText(cents, 2)],
        isMisread ? "amount-differs" : used.found,
      );
    }
  }
  return sheet;
}

/** What was used, and what an audit makes of it: the registers at both ends, and what a register lost in between. */
function consumption(
  meter: Meter,
  from: number,
  until: number,
): { readonly wh: number; readonly found: string } {
  const wh = (meter.usedWh.get(until) ?? 0) - (meter.usedWh.get(from) ?? 0);
  if (!meter.proves(from) || !meter.proves(until)) return { wh, found: "billed-not-proven" };
  const lost = meter.lost.some(({ atUnixS }) => atUnixS >= from && atUnixS < until);
  return { wh, found: lost ? "amount-differs" : "billed-and-proven" };
}

/** `2026-10-25T02:00:00+02:00`. */
function offsetText(unixS: number): string {
  const shown = new Date((unixS + offsetS(unixS)) * 1000).toISOString().slice(0, 19);
  return `${shown}+0${offsetS(unixS) / HOUR_S}:00`;
}
