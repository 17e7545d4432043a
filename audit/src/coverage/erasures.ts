/**
 * What a case says of numbers that are not in it: whose word it is that they were withheld or erased.
 *
 * @module
 */
import type { Orders } from "../facts/orders.ts";
import type { Said } from "./numbers.ts";
import type { FactsView, StreamName } from "./view.ts";

export class Erasures {
  readonly #view: FactsView;
  readonly #orders: Orders;

  constructor(view: FactsView, orders: Orders) {
    this.#view = view;
    this.#orders = orders;
  }

  /** What the case says of numbers of a chain that are not in it. */
  said(stream: StreamName, ch: Uint8Array): readonly Said[] {
    return this.#view.withheld(stream, ch).map(({ first, last, why, by }): Said => {
      const range = { from: first, to: last };
      if (why !== "erased") return { ...range, cause: "not-handed-over", why: null };
      // An order is of one statement.
      const order =
        by === null || first !== last
          ? undefined
          : this.#orders.counting({ iss: stream.iss, sub: stream.sub, ch, seq: first }, by);
      return order === undefined
        ? { ...range, cause: "not-handed-over", why: "said to be erased; no order that counts is here" }
        : { ...range, cause: "erased", why: `${JSON.stringify(order.text)}, as ${order.iss} signed` };
    });
  }
}
