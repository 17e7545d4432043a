/**
 * The power fails at a transaction of a test's choice.
 *
 * @module
 */
import type { Rig } from "./agent-rig.ts";

/** Where in its life a transaction is cut off. */
export type Cut = "before" | "within" | "after";

export class PowerCut extends Error {}

/** The transaction after `transactions` more is cut off, and so is everything after it, until the rig has another database. */
export function cutPower(rig: Rig, transactions: number, cut: Cut): { readonly failed: boolean } {
  const { storage } = rig;
  const transaction = storage.transaction.bind(storage);
  const power = { failed: false };
  const fail = (): never => {
    power.failed = true;
    throw new PowerCut("no power");
  };
  let left = transactions;
  storage.transaction = <T>(write: () => T): T => {
    if (power.failed) fail();
    if (left-- > 0) return transaction(write);
    if (cut === "before") fail();
    const result = transaction(() => {
      const written = write();
      return cut === "within" ? fail() : written;
    });
    return cut === "after" ? fail() : result;
  };
  return power;
}
