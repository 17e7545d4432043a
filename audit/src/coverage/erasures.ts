/**
 * Whose word it is that something was withheld or erased.
 *
 * An order to erase is an `erased` statement in the ledger. It counts for one statement, once, and only where the device that signed it is of the
 * same org as the stream, or its key was brought by an operator that acts for every org. Which number it is about can't be known from the hash
 * alone; but the statement that it names is not here, and where the device's heads name that number they name this hash.
 *
 * @module
 */
import { fromHex, parseIss } from "@tallystick/evidence";
import type { Said } from "./numbers.ts";
import type { FactsView, StreamName } from "./view.ts";

export class Erasures {
  readonly #view: FactsView;
  /** Orders that have been used up. */
  readonly #used = new Set<string>();

  constructor(view: FactsView) {
    this.#view = view;
  }

  /** What the case says of numbers of a chain that are not in it. */
  said(stream: StreamName, ch: Uint8Array): readonly Said[] {
    return this.#view.withheld(stream, ch).map(({ first, last, why, by }): Said => {
      const range = { from: first, to: last };
      if (why !== "erased") return { ...range, cause: "not-handed-over", why: null };
      const order = by === null || first !== last ? undefined : this.#order(stream, ch, first, by);
      return order === undefined
        ? { ...range, cause: "not-handed-over", why: "said to be erased; no order that counts is here" }
        : { ...range, cause: "erased", why: order };
    });
  }

  /** The order, in words, where it counts. */
  #order(stream: StreamName, ch: Uint8Array, seq: number, by: string): string | undefined {
    if (this.#used.has(by) || !/^[0-9a-f]{64}$/.test(by)) return undefined;
    const found = this.#view.eventOf(fromHex(by));
    if (found === undefined || found.kind !== "erased") return undefined;
    if (parseIss(found.iss).org !== parseIss(stream.iss).org && !this.#view.isForAll(found.kid))
      return undefined;
    const { hash, order } = JSON.parse(found.body) as { hash: string; order: string };
    if (this.#view.isHere(fromHex(hash)) || this.#view.namesOther(stream, ch, seq, fromHex(hash)))
      return undefined;
    this.#used.add(by);
    return `${JSON.stringify(order)}, as ${found.iss} signed`;
  }
}
