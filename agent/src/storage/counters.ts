/**
 * Counters that outlive the process: kept in memory, written once a minute beside the time.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import type { Storage } from "./storage.ts";

/** Scope of what belongs to the uplink; a source's is the name of its stream. */
export const UPLINK_SCOPE = "";

/** Scope of what belongs to the process itself; no stream of a configuration has this name. */
export const PROCESS_SCOPE = "sys";

/** Distinct counters of one scope; names come from closed tables, so this is only a belt. */
const MAX_NAMES = 256;

export class Counters {
  readonly #values = new Map<string, Map<string, number>>();
  /** What was reported as a total of this run, to add only what came since. */
  readonly #totals = new Map<string, Map<string, number>>();
  readonly #changed = new Set<string>();
  readonly #write: StatementSync;

  constructor(storage: Storage) {
    this.#write = storage.prepare(
      "INSERT INTO counter (scope, name, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    for (const { scope, name, value } of storage
      .query<{ scope: string; name: string; value: number }>("SELECT scope, name, value FROM counter")
      .iterate()) {
      scopeOf(this.#values, scope).set(name, value);
    }
  }

  add(scope: string, name: string, n = 1): void {
    const values = scopeOf(this.#values, scope);
    const before = values.get(name);
    if (n === 0 || (before === undefined && values.size >= MAX_NAMES)) return;
    values.set(name, (before ?? 0) + n);
    this.#changed.add(scope);
  }

  /** As {@link add}, for a counter that its owner counts from the start of this process. */
  total(scope: string, name: string, value: number): void {
    const totals = scopeOf(this.#totals, scope);
    this.add(scope, name, value - (totals.get(name) ?? 0));
    totals.set(name, value);
  }

  /** All of them as they stand now, by scope and name. */
  get values(): ReadonlyMap<string, ReadonlyMap<string, number>> {
    return this.#values;
  }

  /** Writes what changed, within a transaction of the caller's. */
  persist(): void {
    for (const scope of this.#changed) {
      for (const [name, value] of scopeOf(this.#values, scope)) this.#write.run(scope, name, value);
    }
    this.#changed.clear();
  }
}

function scopeOf(values: Map<string, Map<string, number>>, scope: string): Map<string, number> {
  const found = values.get(scope) ?? new Map<string, number>();
  values.set(scope, found);
  return found;
}
