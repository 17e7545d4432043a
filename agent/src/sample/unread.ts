/**
 * Times in which a stream went on without its agent: since when, and why, over restarts too, until a gap tells of it. A source was left unread
 * because the outbox was full, or the agent didn't run; of `sys`, whose source is the agent itself, statements were left out.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Storage } from "../storage/storage.ts";

/** A moment on the clock that the device then had. `scale` tells it apart from what the clock is after a step; not known of an earlier run. */
export type Since = { readonly since: number; readonly tq: number; readonly scale?: number };

export type Absence = Since & {
  readonly reason: string;
  /** Statements of `sys` that were left out. */
  readonly omitted: number;
};

export class Unread {
  readonly #sub: string;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  #absence: Absence | undefined;

  constructor(storage: Storage, sub: string) {
    this.#sub = sub;
    this.#insert = storage.prepare(
      `INSERT INTO stopped (sub, since, tq, reason, omitted) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET omitted = excluded.omitted`,
    );
    this.#delete = storage.prepare("DELETE FROM stopped WHERE sub = ?");
    this.#absence = storage
      .query<Absence>("SELECT since, tq, reason, omitted FROM stopped WHERE sub = ?")
      .get(sub);
  }

  /** What no gap tells of yet. */
  get absence(): Absence | undefined {
    return this.#absence;
  }

  /** Within a transaction. What began earlier goes on, with its own reason; `omitted` is added to it. */
  begin(since: Since, reason: string, omitted = 0): void {
    const absence = this.#absence ?? { ...since, reason, omitted: 0 };
    this.#absence = { ...absence, omitted: absence.omitted + omitted };
    this.#insert.run(this.#sub, absence.since, absence.tq, absence.reason, this.#absence.omitted);
  }

  /**
   * Within the transaction of the gap that tells of it, or where nothing is missing after all.
   *
   * @param told - the absence as the gap tells it; what was left out since then, while the gap was being signed, is still to be told
   */
  end(told: Absence | undefined = this.#absence): void {
    const omitted = (this.#absence?.omitted ?? 0) - (told?.omitted ?? 0);
    if (this.#absence !== undefined && omitted > 0) {
      this.begin(this.#absence, this.#absence.reason, omitted - this.#absence.omitted);
      return;
    }
    this.#delete.run(this.#sub);
    this.#absence = undefined;
  }
}
