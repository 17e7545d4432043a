/**
 * The clients that are connected, and what follows for them when the registry changes: the connection of a key that no longer counts is ended, and of a
 * device whose key was revoked nothing is kept. A device that rotated its key, or was enrolled again, is the same device: its session and state stay.
 *
 * @module
 */
import { parseTopic, stateTopic, type EvidenceCode } from "@tallystick/evidence";
import type { Retained } from "../messages/retained.ts";
import type { Sessions } from "../messages/sessions.ts";

type Connected = { readonly id: string; close(done?: () => void): void };

export type OnlineOptions<C extends Connected> = {
  /** Why the key with which this client connected counts no more; undefined where it does, or none was asked for. */
  readonly fault: (client: C) => EvidenceCode | undefined;
  readonly isRevoked: (iss: string) => boolean;
  readonly dropped: (code: EvidenceCode, client: C) => void;
  readonly sessions: Pick<Sessions, "here" | "left" | "expire" | "clients" | "forget">;
  readonly retained: Pick<Retained, "topics" | "forget">;
};

export class Online<C extends Connected> {
  readonly #options: OnlineOptions<C>;
  readonly #clients = new Map<string, C>();
  #keysChanged = false;

  constructor(options: OnlineOptions<C>) {
    this.#options = options;
  }

  get(clientId: string): C | undefined {
    return this.#clients.get(clientId);
  }

  came(client: C): void {
    const before = this.#clients.get(client.id);
    this.#clients.set(client.id, client);
    if (before !== client) before?.close(); // of several that come in one turn aedes ends only some
    this.#options.sessions.here(client.id);
    this.#check(client); // the registry may have changed since CONNECT was looked at
  }

  went(client: C, nowMs: number): void {
    if (this.#clients.get(client.id) !== client) return;
    this.#clients.delete(client.id);
    this.#options.sessions.left(client.id, nowMs);
  }

  /** Ends the connections of keys that no longer count. */
  keysChanged(): void {
    this.#keysChanged = true;
    for (const client of this.#clients.values()) this.#check(client);
  }

  /** Lets go of what clients left behind: old sessions, and everything of devices whose keys were revoked while they were away. */
  sweep(nowMs: number): void {
    const { sessions, retained, isRevoked } = this.#options;
    sessions.expire(nowMs);
    if (!this.#keysChanged) return;
    this.#keysChanged = false;
    const stated = retained.topics().flatMap((topic) => {
      const parsed = parseTopic(topic);
      return parsed?.kind === "state" ? [parsed.iss] : [];
    });
    for (const iss of new Set([...sessions.clients(), ...stated]))
      if (!this.#clients.has(iss) && isRevoked(iss)) this.#forget(iss);
  }

  #check(client: C): void {
    const { fault, dropped, isRevoked } = this.#options;
    const code = fault(client);
    if (code === undefined || code === "registry-missing") return;
    dropped(code, client);
    // its will goes out first: `offline`, for those who watch
    client.close(() => {
      if (isRevoked(client.id)) setImmediate(() => this.#forget(client.id));
    });
  }

  #forget(iss: string): void {
    this.#options.sessions.forget(iss);
    this.#options.retained.forget(stateTopic(iss));
  }
}
