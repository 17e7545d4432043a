/**
 * Single facts that the agent remembers between runs, one row each.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import { EvidenceError } from "@tallystick/evidence";
import type { Query, Storage } from "./storage.ts";

/** Every fact there is, with its kind. */
type Facts = {
  /** `org/device` that this database belongs to. */
  iss: string;
  /** Newest time of day known, Unix milliseconds, and its quality. */
  time: number;
  tq: number;
  /** The same, as it was when sources were read last; there from a start on until what it missed is noted. */
  "read-time": number;
  "read-tq": number;
  /** Steps of the clock and starts of the agent so far: tells the clock's scales apart. */
  scale: number;
  /** SHA-256 of the configuration that was last told of. */
  config: Uint8Array;
  /** Newest tree whose signature was verified, and the log that it is of. */
  "seen-origin": string;
  "seen-size": number;
  "seen-root": Uint8Array;
  /** Row of a statement in the outbox whose receipt is of that tree. */
  "seen-item": number;
  /** How the line to the broker stands, as JSON. */
  line: string;
  /** Starts of the agent that were told. */
  starts: number;
  /** Of a rotation under way: row of its `key-rotated` in the outbox, and the keys before and after it. */
  "rotation-item": number;
  "rotation-old": Uint8Array;
  "rotation-next": Uint8Array;
  /** Of a token: the key that signs since a rotation, and the place in the configuration for which that holds. */
  "token-key": Uint8Array;
  "token-place": string;
  /** Why chains of a new database start with `lost`; empty where they start with `none`. */
  lost: string;
};

export class Meta {
  readonly #get: Query<{ value: unknown }>;
  readonly #set: StatementSync;
  readonly #forget: StatementSync;

  constructor(storage: Storage) {
    this.#get = storage.query("SELECT value FROM meta WHERE name = ?");
    this.#set = storage.prepare(
      "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    this.#forget = storage.prepare("DELETE FROM meta WHERE name = ?");
  }

  /** @throws EvidenceError `storage-failed` if the row holds another kind of value than this program writes */
  number(
    name:
      | "time"
      | "tq"
      | "read-time"
      | "read-tq"
      | "scale"
      | "seen-size"
      | "seen-item"
      | "starts"
      | "rotation-item",
  ): number | undefined {
    return this.#read(name, (value): value is number => typeof value === "number");
  }

  text(name: "iss" | "line" | "lost" | "seen-origin" | "token-place"): string | undefined {
    return this.#read(name, (value): value is string => typeof value === "string");
  }

  bytes(
    name: "config" | "seen-root" | "rotation-old" | "rotation-next" | "token-key",
  ): Uint8Array | undefined {
    return this.#read(name, (value): value is Uint8Array => value instanceof Uint8Array);
  }

  /** Within a transaction of the caller's. */
  set<K extends keyof Facts>(name: K, value: Facts[K]): void {
    this.#set.run(name, value);
  }

  /** Within a transaction of the caller's. */
  forget(name: keyof Facts): void {
    this.#forget.run(name);
  }

  #read<T>(name: keyof Facts, is: (value: unknown) => value is T): T | undefined {
    const value = this.#get.get(name)?.value;
    if (value === undefined) return undefined;
    if (!is(value))
      throw new EvidenceError("storage-failed", `agent.db: ${name} is damaged; restore the database`);
    return value;
  }
}
