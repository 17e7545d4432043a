/**
 * What aedes calls its persistence: retained messages and sessions, each bounded.
 *
 * aedes' own in-memory one keeps every retained topic, every message for every absent client, and, of a connected client with
 * clean = false, everything that was not acknowledged, all without limit; it searches those lists from the start at each
 * acknowledgement. And it stores the filters of a SUBSCRIBE that were refused beside one that was granted, and then keeps
 * other people's messages for them. None of that here.
 *
 * @module
 */
import { Readable } from "node:stream";
import type { AedesPublishPacket, Client } from "aedes";
import { EvidenceError } from "@tallystick/evidence";
import type { Retained } from "./retained.ts";
import type { Sessions, Stored, StoredSubscription } from "./sessions.ts";

/**
 * An answer that is there already. aedes awaits three of these calls for every message it publishes, a different number for
 * retained, QoS 0 and QoS 1 messages, so with real promises a later message overtakes an earlier one; and aedes drops
 * what comes out of order as a duplicate (`dedupe` in its client.js). Answered at once, the order is kept.
 */
class Now<T> {
  readonly #value: T;
  constructor(value: T) {
    this.#value = value;
  }
  // oxlint-disable-next-line unicorn/no-thenable -- being a thenable that does not wait is what this class is for
  then(answered: (value: T) => void): void {
    answered(this.#value);
  }
}

const DONE = new Now<void>(undefined);

type Named = Pick<Client, "id">;

export class Persistence {
  readonly #retained: Retained;
  readonly #sessions: Sessions;
  readonly #mayRead: (client: Client, filter: string) => boolean;

  /** @param mayRead - whether a filter was granted: aedes hands over those that were not as well */
  constructor(retained: Retained, sessions: Sessions, mayRead: (client: Client, filter: string) => boolean) {
    this.#retained = retained;
    this.#sessions = sessions;
    this.#mayRead = mayRead;
  }

  /** aedes insists on an async function. */
  async setup(): Promise<void> {}

  storeRetained(packet: AedesPublishPacket): Now<void> {
    this.#retained.store(packet);
    return DONE;
  }

  createRetainedStreamCombi(filters: readonly string[]): Readable {
    return Readable.from(this.#retained.matching(filters));
  }

  async addSubscriptions(client: Client, subscriptions: readonly StoredSubscription[]): Promise<void> {
    this.#sessions.subscribe(
      client.id,
      subscriptions.filter(({ topic }) => this.#mayRead(client, topic)),
    );
  }

  async removeSubscriptions({ id }: Named, filters: readonly string[]): Promise<void> {
    this.#sessions.unsubscribe(id, filters);
  }

  async subscriptionsByClient({ id }: Named): Promise<readonly StoredSubscription[]> {
    return this.#sessions.subscriptionsOf(id);
  }

  /** A clean session begins: the one before is forgotten, [MQTT-3.1.2-6]. */
  async cleanSubscriptions({ id }: Named): Promise<void> {
    this.#sessions.forget(id);
  }

  subscriptionsByTopic(topic: string): Now<readonly string[]> {
    return new Now(this.#sessions.clientsFor(topic));
  }

  outgoingEnqueueCombi(clients: readonly string[], packet: Stored): Now<void> {
    for (const client of clients) this.#sessions.keep(client, packet);
    return DONE;
  }

  async outgoingUpdate({ id }: Named, packet: Stored): Promise<void> {
    if (packet.messageId !== undefined) this.#sessions.identify(id, packet.brokerCounter, packet.messageId);
  }

  async outgoingClearMessageId(
    { id }: Named,
    packet: { readonly messageId?: number },
  ): Promise<Stored | undefined> {
    return packet.messageId === undefined ? undefined : this.#sessions.acknowledge(id, packet.messageId);
  }

  outgoingStream({ id }: Named): Readable {
    return Readable.from(this.#sessions.waiting(id));
  }

  /** QoS 2 is refused before it gets here. */
  async incomingStorePacket(): Promise<void> {
    throw new EvidenceError("qos-unsupported", "QoS 2 is not carried");
  }

  async incomingGetPacket(): Promise<never> {
    throw new EvidenceError("qos-unsupported", "QoS 2 is not carried");
  }

  async incomingDelPacket(): Promise<void> {}

  /** aedes has the will at its client. */
  async putWill(): Promise<void> {}

  async delWill(): Promise<void> {}

  /** Wills of other brokers' clients: there is one broker. */
  streamWill(): Readable {
    return Readable.from([]);
  }
}
