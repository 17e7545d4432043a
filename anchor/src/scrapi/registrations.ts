/**
 * Statements that came over HTTP, between their arrival and their receipt: whoever brought one waits here until the tree that holds it is published, or
 * until it was refused. They go the way of all others: admission, pool, batch.
 *
 * Nobody waits for ever: after a while he is told to ask again, and what is known by then is kept for him.
 *
 * @module
 */
import {
  EvidenceError,
  isEvidenceError,
  toHex,
  type EvidenceCode,
  type Statement,
} from "@tallystick/evidence";
import type { Timer } from "@tallystick/evidence/node";
import type { Sequenced } from "../sequence/sequence.ts";
import type { Tally } from "../tally.ts";

/** What takes a statement in while the ledger runs. */
export type Door = {
  /**
   * @returns true where it is in a published tree already
   * @throws EvidenceError the refusal
   */
  submit(statement: Statement): boolean;
};

export type Outcome =
  /** In the log; its tree is published unless it was in the log before. */
  | { readonly kind: "registered" }
  /** Not known yet. */
  | { readonly kind: "pending" }
  | { readonly kind: "refused"; readonly code: EvidenceCode; readonly text: string };

export type RegistrationLimits = { readonly maxWaiting: number; readonly waitMs: number };

/** Refusals kept for those who were told to ask again. */
const MAX_REFUSED = 1000;

type Waiter = (outcome: Outcome) => void;

const PENDING: Outcome = { kind: "pending" };
const STOPPING = "the ledger is not running: try again";

export class Registrations {
  readonly #limits: RegistrationLimits;
  readonly #timer: Timer;
  readonly #tally: Pick<Tally, "count">;
  #door: Door | undefined;
  /** By hash, in hexadecimal. One without waiters is on its way all the same. */
  readonly #onTheirWay = new Map<string, Set<Waiter>>();
  /** Why those were refused who had been told to ask again. */
  readonly #refused = new Map<string, EvidenceCode>();

  constructor(limits: RegistrationLimits, timer: Timer, tally: Pick<Tally, "count">) {
    this.#limits = limits;
    this.#timer = timer;
    this.#tally = tally;
  }

  /** The ledger runs. */
  open(door: Door): void {
    this.#door = door;
  }

  /** Takes nothing more; whoever waits gets his answer while the ledger drains. */
  close(): void {
    this.#door = undefined;
  }

  /** The ledger has ended: what is still on its way won't be registered by it. */
  abandon(): void {
    this.close();
    for (const name of this.#onTheirWay.keys())
      this.#settle(name, { kind: "refused", code: "unreachable", text: STOPPING });
    this.#refused.clear();
  }

  /** Has a statement registered, and resolves with what became of it. */
  register(statement: Statement): Promise<Outcome> {
    const name = toHex(statement.hash);
    try {
      if (this.#onTheirWay.has(name)) return this.#wait(name);
      if (this.#door === undefined) throw new EvidenceError("unreachable", STOPPING);
      if (this.#onTheirWay.size >= this.#limits.maxWaiting)
        throw new EvidenceError("pool-full", "too many statements wait for their receipts");
      if (this.#door.submit(statement)) return Promise.resolve({ kind: "registered" });
      this.#refused.delete(name);
      this.#onTheirWay.set(name, new Set());
      return this.#wait(name);
    } catch (error) {
      if (!isEvidenceError(error) || error.disposition === "stop") throw error;
      this.#tally.count(error.code);
      return Promise.resolve({ kind: "refused", code: error.code, text: error.message });
    }
  }

  /** Where a statement stands that is not in the log. */
  standing(hash: Uint8Array): Outcome | undefined {
    const name = toHex(hash);
    if (this.#onTheirWay.has(name)) return PENDING;
    const code = this.#refused.get(name);
    return code && { kind: "refused", code, text: "it was refused" };
  }

  /** A batch was committed, published and answered. */
  settled({ admitted, duplicates, filled }: Pick<Sequenced, "admitted" | "duplicates" | "filled">): void {
    if (this.#onTheirWay.size === 0) return;
    for (const list of [admitted, duplicates, filled])
      for (const { statement } of list) this.#settle(toHex(statement.hash), { kind: "registered" });
  }

  /** One of those that came over HTTP was refused on its way. */
  refused(hash: Uint8Array, code: EvidenceCode, text: string): void {
    this.#tally.count(code);
    this.#settle(toHex(hash), { kind: "refused", code, text });
  }

  #settle(name: string, outcome: Outcome): void {
    const waiters = this.#onTheirWay.get(name);
    if (waiters === undefined) return;
    this.#onTheirWay.delete(name);
    for (const tell of waiters) tell(outcome);
    if (outcome.kind !== "refused" || waiters.size > 0) return;
    this.#refused.set(name, outcome.code);
    if (this.#refused.size <= MAX_REFUSED) return;
    const [oldest = name] = this.#refused.keys();
    this.#refused.delete(oldest);
  }

  #wait(name: string): Promise<Outcome> {
    const waiters = this.#onTheirWay.get(name);
    if (waiters === undefined) return Promise.resolve(PENDING);
    return new Promise((resolve) => {
      const tell: Waiter = (outcome) => {
        cancel();
        resolve(outcome);
      };
      const cancel = this.#timer.after(this.#limits.waitMs, () => {
        waiters.delete(tell);
        resolve(PENDING);
      });
      waiters.add(tell);
    });
  }
}
