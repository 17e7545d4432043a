/**
 * A source that had to be left unread because the outbox was full: since when, over restarts too, until a gap tells of it.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Stamp } from "./journal.ts";
import type { Storage } from "./storage.ts";

/** When it began, on the clock of that moment. */
export type Since = { readonly since: number; readonly tq: number };

export class Unread {
  readonly #storage: Storage;
  readonly #sub: string;
  readonly #insert: StatementSync;
  readonly #delete: StatementSync;
  #since: Since | undefined;

  constructor(storage: Storage, sub: string) {
    this.#storage = storage;
    this.#sub = sub;
    this.#insert = storage.prepare("INSERT INTO stopped (sub, since, tq) VALUES (?, ?, ?)");
    this.#delete = storage.prepare("DELETE FROM stopped WHERE sub = ?");
    this.#since = storage.query<Since>("SELECT since, tq FROM stopped WHERE sub = ?").get(sub);
  }

  /** When reading stopped; undefined while the source is read. */
  get since(): Since | undefined {
    return this.#since;
  }

  begin({ atUnixMs, tq }: Stamp): void {
    this.#storage.transaction(() => this.#insert.run(this.#sub, atUnixMs, tq));
    this.#since = { since: atUnixMs, tq };
  }

  /** Within the transaction of the gap that tells of it. */
  end(): void {
    this.#delete.run(this.#sub);
    this.#since = undefined;
  }
}
