/**
 * Brings each message to its subscribers, and bounds what waits for each of them. It is aedes' `mq`.
 *
 * aedes' own emitter has no such bound. It delivers a message to all subscribers at once and lets the publisher go on when
 * the last of them has taken it; it has 100 places for messages on their way, over all topics. So one subscriber that does
 * not read fills the 100 places, everybody's messages queue up behind them without limit, and nobody gets anything until
 * that subscriber is cut off.
 *
 * Here every subscription has a queue of its own, bounded in messages and bytes (see subscription.ts). When it is full, **the newest message is dropped for that
 * subscriber and counted** (`queue-full`): agents send again whatever has no receipt, so a loss costs a re-send, while waiting for a dead reader would
 * cost everybody everything. Only those services that the configuration names (`whenSlow: wait`, the ledger) are waited for: whoever writes to them is not
 * read from while they have enough. That turns a busy ledger into TCP back-pressure on the agents instead of losses. A service that takes nothing at all is cut
 * off after `drainTimeoutMs`, and they go on.
 *
 * @module
 */
import type { AedesPublishPacket, Client } from "aedes";
import type { QueueBounds } from "../config.ts";
import { ownPayload } from "./own-payload.ts";
import { topicMatches } from "./retained.ts";
import { Subscription, type Listener, type Treatment } from "./subscription.ts";

export interface RouterOptions {
  readonly treatmentOf: (client: Client) => Treatment;
  /** Whether what this client writes waits for a service that has enough. A service's never does: it would not be read from, and what it acknowledges with it. */
  readonly waits: (client: string) => boolean;
  /** Before its first message the owner of a subscription is not known. */
  readonly untilKnown: QueueBounds;
  /** True where this message is kept for that client until it acknowledges it. */
  readonly isKept: (client: string, brokerCounter: number) => boolean;
  readonly dropped: (client: string) => void;
  readonly delivered: () => void;
  /** Writers have waited for this client for so long, and it took nothing. */
  readonly stalled: (client: string) => void;
  readonly stalledAfterMs: number;
}

/** What every message costs beyond its topic and payload: aedes' packets, closures and stream entries, measured. */
const OVERHEAD_BYTES = 64;

/**
 * From this many waiting messages on, payloads are copied out of the socket read that they came in: 6 bytes that wait would
 * otherwise keep up to 64 KiB of somebody else's alive, which no bound counts.
 */
const UNPIN_FROM = 16;

const noop = (): void => {};

export class Router {
  readonly #options: RouterOptions;
  readonly #exact = new Map<string, Subscription[]>();
  #wildcard: readonly Subscription[] = [];
  /** Those that are waited for. */
  readonly #awaited = new Set<Subscription>();
  /** The subscription whose listener is being called; see {@link forwarding}. */
  #calling: Subscription | undefined;
  #closed = false;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  on(filter: string, listener: Listener, done: () => void = noop): this {
    const { untilKnown, stalled, stalledAfterMs } = this.#options;
    const subscription = new Subscription(filter, listener, untilKnown, { stalled, stalledAfterMs });
    if (filter.includes("+")) this.#wildcard = [...this.#wildcard, subscription];
    else this.#exact.set(filter, [...(this.#exact.get(filter) ?? []), subscription]);
    setImmediate(done);
    return this;
  }

  removeListener(filter: string, listener: Listener, done: () => void = noop): this {
    const all = filter.includes("+") ? this.#wildcard : (this.#exact.get(filter) ?? []);
    const kept = all.filter((one) => one.listener !== listener);
    if (filter.includes("+")) this.#wildcard = kept;
    else if (kept.length > 0) this.#exact.set(filter, kept);
    else this.#exact.delete(filter);
    for (const one of all) {
      if (one.listener !== listener) continue;
      this.#awaited.delete(one);
      one.end();
    }
    setImmediate(done);
    return this;
  }

  /** Hands `packet` to every subscription that matches and has room, and calls `done` when the publisher may go on. */
  emit(packet: AedesPublishPacket, done: (error?: Error) => void = noop): this {
    if (this.#closed) {
      done(new Error("the broker is closed"));
      return this;
    }
    const bytes = packet.payload.length + packet.topic.length + OVERHEAD_BYTES;
    let full: Subscription | undefined;
    for (const one of this.#exact.get(packet.topic) ?? []) full = this.#deliver(one, packet, bytes) ?? full;
    if (this.#wildcard.length > 0) {
      const segments = packet.topic.split("/");
      for (const one of this.#wildcard)
        if (topicMatches(one.segments, segments)) full = this.#deliver(one, packet, bytes) ?? full;
    }
    // aedes says who wrote it, or left it as a will; its own messages are nobody's
    const { clientId } = packet as { readonly clientId?: string };
    if (full === undefined || clientId === undefined || !this.#options.waits(clientId)) done();
    else full.wait(bytes, done);
    return this;
  }

  /**
   * Tells the router whose subscription it is that just gets a message. aedes names the client only in `authorizeForward`, which
   * it calls from within the listener, so whoever is being called is the owner.
   */
  forwarding(client: Client): void {
    const subscription = this.#calling;
    if (subscription === undefined || subscription.owner !== "") return;
    subscription.owner = client.id;
    subscription.treatment = this.#options.treatmentOf(client);
    if (subscription.treatment.waitedFor) this.#awaited.add(subscription);
  }

  /** The client acknowledged a message that was kept for it. */
  acknowledged(client: string, brokerCounter: number): void {
    for (const one of this.#awaited) if (one.owner === client) one.acknowledged(brokerCounter);
  }

  close(done: () => void): this {
    this.#closed = true;
    for (const one of this.#all()) one.end();
    setImmediate(done);
    return this;
  }

  /** Messages and bytes now on their way to subscribers. */
  underway(): { readonly messages: number; readonly bytes: number } {
    let messages = 0;
    let bytes = 0;
    for (const one of this.#all()) {
      messages += one.messages;
      bytes += one.bytes;
    }
    return { messages, bytes };
  }

  /** Returns the subscription if its owner's writers have to wait. */
  #deliver(subscription: Subscription, packet: AedesPublishPacket, bytes: number): Subscription | undefined {
    if (!subscription.hasRoom(bytes)) {
      this.#options.dropped(subscription.owner);
      return undefined;
    }
    if (subscription.messages >= UNPIN_FROM) ownPayload(packet);
    this.#calling = subscription;
    subscription.deliver(packet, bytes, this.#options.delivered);
    this.#calling = undefined;
    if (!subscription.treatment.waitedFor) return undefined;
    const { brokerCounter } = packet;
    if (this.#options.isKept(subscription.owner, brokerCounter)) subscription.keep(brokerCounter, bytes);
    return subscription.hasEnough() ? subscription : undefined;
  }

  *#all(): Generator<Subscription> {
    for (const list of this.#exact.values()) yield* list;
    yield* this.#wildcard;
  }
}
