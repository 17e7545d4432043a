/**
 * Brings each message to its subscribers, and bounds what waits for each of them. It is aedes' `mq`.
 *
 * aedes' own emitter has no such bound. It delivers a message to all subscribers at once and lets the publisher go on when
 * the last of them has taken it; it has 100 places for messages on their way, over all topics. So one subscriber that does
 * not read fills the 100 places, everybody's messages queue up behind them without limit, and nobody gets anything until
 * that subscriber is cut off.
 *
 * Here every subscription has a queue of its own, bounded in messages and bytes (what is written to a socket that is full
 * counts until the socket has drained). When it is full, **the newest message is dropped for that subscriber and counted**
 * (`queue-full`): agents send again whatever has no receipt, so a loss costs a re-send, while waiting for a dead reader would
 * cost everybody everything. Only those services that the configuration names (`whenSlow: wait`, the ledger) are waited for: once
 * an eighth of their queue is taken, whoever writes to them is not read from until the socket has drained. That turns a busy ledger
 * into TCP back-pressure on the agents instead of losses; what the agents have under way is at most one read of 64 KiB each,
 * and fits the other seven eighths. A service that takes nothing at all is cut off after `drainTimeoutMs`, and they go on.
 *
 * @module
 */
import type { AedesPublishPacket, Client } from "aedes";
import type { QueueBounds } from "./config.ts";
import { topicMatches } from "./retained.ts";

/** How aedes is handed a message for one subscription; `done` is called when it was written out, or can't be. */
export type Listener = (packet: AedesPublishPacket, done: () => void) => void;

/** How one client's subscriptions are treated. */
export interface Treatment extends QueueBounds {
  readonly waitedFor: boolean;
}

export interface RouterOptions {
  readonly treatmentOf: (client: Client) => Treatment;
  /** Before its first message the owner of a subscription is not known. */
  readonly untilKnown: QueueBounds;
  readonly dropped: (client: string) => void;
  readonly delivered: () => void;
}

/** What every message costs beyond its topic and payload: aedes' packets, closures and stream entries, measured. */
const OVERHEAD_BYTES = 64;

/** Writers wait from this part of a waited-for queue on, and go on below half of that. */
const WAIT_FROM = 1 / 8;

/**
 * From this many waiting messages on, payloads are copied out of the socket read that they came in: 6 bytes that wait would
 * otherwise keep up to 64 KiB of somebody else's alive, which no bound counts.
 */
const UNPIN_FROM = 16;

class Subscription {
  readonly segments: readonly string[];
  readonly listener: Listener;
  treatment: Treatment;
  owner = "";
  messages = 0;
  bytes = 0;
  /** Writers that wait until this subscription has room; each is one message's `done`. */
  waiting: (() => void)[] = [];

  constructor(filter: string, listener: Listener, bounds: QueueBounds) {
    this.segments = filter.split("/");
    this.listener = listener;
    this.treatment = { ...bounds, waitedFor: false };
  }

  hasRoom(bytes: number): boolean {
    return this.messages < this.treatment.maxMessages && this.bytes + bytes <= this.treatment.maxBytes;
  }

  isOver(part: number): boolean {
    const { maxMessages, maxBytes } = this.treatment;
    return this.messages > maxMessages * part || this.bytes > maxBytes * part;
  }

  release(): void {
    const waiting = this.waiting;
    this.waiting = [];
    for (const done of waiting) done();
  }
}

const noop = (): void => {};

export class Router {
  readonly #options: RouterOptions;
  readonly #exact = new Map<string, Subscription[]>();
  #wildcard: readonly Subscription[] = [];
  /** The subscription whose listener is being called; see {@link forwarding}. */
  #calling: Subscription | undefined;
  #closed = false;

  constructor(options: RouterOptions) {
    this.#options = options;
  }

  on(filter: string, listener: Listener, done: () => void = noop): this {
    const subscription = new Subscription(filter, listener, this.#options.untilKnown);
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
    for (const one of all) if (one.listener === listener) one.release();
    setImmediate(done);
    return this;
  }

  /** Hands `packet` to every subscription that matches and has room, and calls `done` when the publisher may go on. */
  emit(packet: AedesPublishPacket, done: (error?: Error) => void = noop): this {
    if (this.#closed) {
      done(new Error("the broker is closed"));
      return this;
    }
    let full: Subscription | undefined;
    for (const one of this.#exact.get(packet.topic) ?? []) full = this.#deliver(one, packet) ?? full;
    if (this.#wildcard.length > 0) {
      const segments = packet.topic.split("/");
      for (const one of this.#wildcard)
        if (topicMatches(one.segments, segments)) full = this.#deliver(one, packet) ?? full;
    }
    if (full === undefined) done();
    else full.waiting.push(done);
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
  }

  close(done: () => void): this {
    this.#closed = true;
    for (const one of this.#all()) one.release();
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
  #deliver(subscription: Subscription, packet: AedesPublishPacket): Subscription | undefined {
    const bytes = packet.payload.length + packet.topic.length + OVERHEAD_BYTES;
    if (!subscription.hasRoom(bytes)) {
      this.#options.dropped(subscription.owner);
      return undefined;
    }
    if (subscription.messages >= UNPIN_FROM) unpin(packet);
    subscription.messages++;
    subscription.bytes += bytes;
    this.#calling = subscription;
    subscription.listener(packet, () => {
      subscription.messages--;
      subscription.bytes -= bytes;
      this.#options.delivered();
      if (subscription.waiting.length > 0 && !subscription.isOver(WAIT_FROM / 2)) subscription.release();
    });
    this.#calling = undefined;
    return subscription.treatment.waitedFor && subscription.isOver(WAIT_FROM) ? subscription : undefined;
  }

  *#all(): Generator<Subscription> {
    for (const list of this.#exact.values()) yield* list;
    yield* this.#wildcard;
  }
}

/** Gives `packet` a payload of its own. */
function unpin(packet: AedesPublishPacket): void {
  const { payload } = packet;
  if (typeof payload !== "string" && payload.buffer.byteLength > 2 * payload.length)
    packet.payload = Buffer.from(payload);
}
