/**
 * The sessions that outlive a connection (clean = false): their subscriptions, and what waits for an acknowledgement or for
 * the client's return. In memory; a restart forgets them.
 *
 * Nobody depends on them: an agent sends again whatever has no receipt, whatever the broker kept. They spare a link that
 * drops often the re-sends. So they are bounded everywhere, and when a bound is reached the newest message is not kept (`session-full`).
 *
 * @module
 */
import type { AedesPublishPacket } from "aedes";
import type { QueueBounds } from "../config.ts";
import { ownPayload } from "./own-payload.ts";
import { topicMatches } from "./retained.ts";

/** A subscription as aedes stores and restores it. */
export interface StoredSubscription {
  readonly topic: string;
  readonly qos: number;
  readonly rh?: number;
  readonly rap?: boolean;
  readonly nl?: boolean;
}

/** A message with what aedes writes onto it. */
export type Stored = AedesPublishPacket & { brokerCounter: number; messageId?: number };

/** A session that holds nothing is kept as long as a connection may take to come to its first subscription. */
const EMPTY_MS = 5000;

/** What one message costs beyond its topic and payload. */
const OVERHEAD_BYTES = 256;

const MAX_IDENTIFIER = 65_535;

const costOf = (packet: Stored): number => packet.topic.length + packet.payload.length + OVERHEAD_BYTES;

interface Session {
  readonly bounds: QueueBounds;
  readonly subscriptions: Map<string, StoredSubscription>;
  /** By the broker's own number of the message, in the order in which they came. */
  readonly queue: Map<number, Stored>;
  /** MQTT packet identifier to that number, of what is being delivered. */
  readonly identifiers: Map<number, number>;
  bytes: number;
  /** When the client left; undefined while it is connected. */
  leftAtMs: number | undefined;
}

export interface SessionsOptions {
  readonly max: number;
  readonly maxBytes: number;
  readonly expireMs: number;
  readonly boundsOf: (clientId: string) => QueueBounds;
  /** A message was not kept for this client. */
  readonly dropped: (clientId: string) => void;
  /** The client acknowledged a message that was kept for it, by the broker's own number. */
  readonly acknowledged: (clientId: string, brokerCounter: number) => void;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  /** Client ids by filter without wildcard, so that a message finds its sessions without a search. */
  readonly #exact = new Map<string, Set<string>>();
  readonly #wildcard = new Map<
    string,
    { readonly segments: readonly string[]; readonly clients: Set<string> }
  >();
  #bytes = 0;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#sessions.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Makes or resumes the session of a client that connects; false where there is no room for one more. It counts as left until the client is {@link here}: not every
   * connection gets so far.
   */
  open(clientId: string, nowMs: number): boolean {
    const session = this.#sessions.get(clientId);
    if (session !== undefined) {
      if (session.leftAtMs !== undefined) session.leftAtMs = nowMs;
      return true;
    }
    if (this.#sessions.size >= this.#options.max) return false;
    this.#sessions.set(clientId, {
      bounds: this.#options.boundsOf(clientId),
      subscriptions: new Map(),
      queue: new Map(),
      identifiers: new Map(),
      bytes: 0,
      leftAtMs: nowMs,
    });
    return true;
  }

  /** Clients that have one. */
  clients(): readonly string[] {
    return [...this.#sessions.keys()];
  }

  /** The client is there: its session does not age. Another connection of it may have ended after this one began. */
  here(clientId: string): void {
    const session = this.#sessions.get(clientId);
    if (session !== undefined) session.leftAtMs = undefined;
  }

  /** The client's connection ended: from now on its session ages. */
  left(clientId: string, nowMs: number): void {
    const session = this.#sessions.get(clientId);
    if (session !== undefined) session.leftAtMs = nowMs;
  }

  /** Forgets the sessions of clients that are away for too long, and those that hold nothing. */
  expire(nowMs: number): void {
    for (const [clientId, { leftAtMs, subscriptions }] of this.#sessions) {
      if (leftAtMs === undefined) continue;
      const keptMs = subscriptions.size === 0 ? EMPTY_MS : this.#options.expireMs;
      if (nowMs - leftAtMs >= keptMs) this.forget(clientId);
    }
  }

  forget(clientId: string): void {
    const session = this.#sessions.get(clientId);
    if (session === undefined) return;
    this.unsubscribe(clientId, [...session.subscriptions.keys()]);
    this.#bytes -= session.bytes;
    this.#sessions.delete(clientId);
  }

  subscribe(clientId: string, subscriptions: readonly StoredSubscription[]): void {
    const session = this.#sessions.get(clientId);
    for (const subscription of subscriptions) {
      if (session === undefined) continue;
      session.subscriptions.set(subscription.topic, subscription);
      if (subscription.qos > 0) this.#clientsOf(subscription.topic).add(clientId);
      else this.#keepNothing(clientId, subscription.topic);
    }
  }

  unsubscribe(clientId: string, filters: readonly string[]): void {
    for (const filter of filters) {
      this.#sessions.get(clientId)?.subscriptions.delete(filter);
      this.#keepNothing(clientId, filter);
    }
  }

  subscriptionsOf(clientId: string): readonly StoredSubscription[] {
    return [...(this.#sessions.get(clientId)?.subscriptions.values() ?? [])];
  }

  /** Clients, each once, that a message on `topic` is kept for. */
  clientsFor(topic: string): readonly string[] {
    if (this.#sessions.size === 0) return NOBODY;
    const exact = this.#exact.get(topic);
    if (this.#wildcard.size === 0) return exact === undefined ? NOBODY : [...exact];
    const clients = new Set(exact);
    const segments = topic.split("/");
    for (const one of this.#wildcard.values()) {
      if (topicMatches(one.segments, segments)) for (const client of one.clients) clients.add(client);
    }
    return [...clients];
  }

  keep(clientId: string, packet: Stored): void {
    const session = this.#sessions.get(clientId);
    if (session === undefined) return;
    const cost = costOf(packet);
    const { maxMessages, maxBytes } = session.bounds;
    const full = session.queue.size >= maxMessages || session.bytes + cost > maxBytes;
    if (full || this.#bytes + cost > this.#options.maxBytes) {
      this.#options.dropped(clientId);
      return;
    }
    ownPayload(packet);
    // To a subscription that stands it is news, also where others get it as what was retained. [MQTT-3.3.1-9]
    session.queue.set(packet.brokerCounter, { ...packet, retain: false });
    session.bytes += cost;
    this.#bytes += cost;
  }

  /** True where this message waits for the client's acknowledgement. */
  isKept(clientId: string, brokerCounter: number): boolean {
    return this.#sessions.get(clientId)?.queue.has(brokerCounter) ?? false;
  }

  /** Notes the packet identifier under which a kept message is delivered. What was not kept is delivered all the same. */
  identify(clientId: string, brokerCounter: number, messageId: number): void {
    const session = this.#sessions.get(clientId);
    const stored = session?.queue.get(brokerCounter);
    if (session === undefined || stored === undefined) return;
    stored.messageId = messageId;
    session.identifiers.set(messageId, brokerCounter);
  }

  /** The packet identifier with which a connection begins, behind those under which something is on its way; undefined where nothing is. */
  identifierFor(clientId: string): number | undefined {
    const last = [...(this.#sessions.get(clientId)?.identifiers.keys() ?? [])].at(-1);
    return last === undefined ? undefined : (last % MAX_IDENTIFIER) + 1;
  }

  /** The client acknowledged a message: it is let go, and returned. */
  acknowledge(clientId: string, messageId: number): Stored | undefined {
    const session = this.#sessions.get(clientId);
    const brokerCounter = session?.identifiers.get(messageId);
    if (session === undefined || brokerCounter === undefined) return undefined;
    session.identifiers.delete(messageId);
    const stored = session.queue.get(brokerCounter);
    if (stored === undefined) return undefined;
    session.queue.delete(brokerCounter);
    session.bytes -= costOf(stored);
    this.#bytes -= costOf(stored);
    this.#options.acknowledged(clientId, brokerCounter);
    return stored;
  }

  /** What a returning client has to be sent, oldest first. [MQTT-3.3.1-1]: sent before means `dup`. */
  waiting(clientId: string): readonly Stored[] {
    const queue = this.#sessions.get(clientId)?.queue.values() ?? [];
    return [...queue].map((packet) => ({ ...packet, dup: packet.messageId !== undefined }));
  }

  #keepNothing(clientId: string, filter: string): void {
    const clients = this.#exact.get(filter) ?? this.#wildcard.get(filter)?.clients;
    clients?.delete(clientId);
    if (clients?.size !== 0) return;
    this.#exact.delete(filter);
    this.#wildcard.delete(filter);
  }

  #clientsOf(filter: string): Set<string> {
    if (filter.includes("+")) {
      const known = this.#wildcard.get(filter) ?? { segments: filter.split("/"), clients: new Set<string>() };
      this.#wildcard.set(filter, known);
      return known.clients;
    }
    const clients = this.#exact.get(filter) ?? new Set<string>();
    this.#exact.set(filter, clients);
    return clients;
  }
}

const NOBODY: readonly string[] = [];
