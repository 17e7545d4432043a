/**
 * Keeps aedes' register of connected clients true. It knows them by their ids alone, and asynchronously: the end of one of two under the same id counts as
 * the end of the other, and one that closed while it waited for its predecessor's end is registered all the same, for ever.
 *
 * @module
 */
import type { Aedes, Client } from "aedes";

/** What an aedes has beyond what its types say. */
type Register = {
  /** By id: the one that has the place. */
  readonly clients: Record<string, Client>;
  unregisterClient(client: Client): void;
};

/** What a client has beyond what its types say. */
type Numbered = { _nextId: number };

export type Registrations = {
  /** The packet identifier to begin with, where it matters; aedes begins anywhere. */
  readonly identifier: (client: Client) => number | undefined;
  readonly came: (client: Client) => void;
  /** Told once of each that came, and of one that had closed before it could. */
  readonly went: (client: Client) => void;
};

/** Tells whose connection stands: each client comes once and goes once, whatever the others of its id do. */
export function keepRegistrations(aedes: Aedes, { identifier, came, went }: Registrations): void {
  const register = aedes as Aedes & Register;
  const registered = new WeakSet<Client>();
  const unregister = register.unregisterClient.bind(aedes);
  register.unregisterClient = (client) => {
    if (!registered.delete(client)) return; // it closed before it had the place
    const present = register.clients[client.id];
    unregister(client);
    if (present !== undefined && present !== client) register.clients[client.id] = present;
  };
  aedes.on("clientDisconnect", went);
  aedes.on("client", (client) => {
    registered.add(client);
    const first = identifier(client);
    if (first !== undefined) Object.assign(client, { _nextId: first } satisfies Numbered);
    if (client.closed) register.unregisterClient(client);
    else came(client);
  });
}
