/**
 * The broker, as far as MQTT 3.1.1 lets anybody rely on one: sessions by client id that outlive their connections, QoS 1 with at least one delivery, retained
 * messages, a new connection of a client id in place of the old one; and everything beyond that it may do wrong: lose what it has acknowledged, deliver twice, late, out of order or
 * altered, lose all sessions at a restart.
 *
 * @module
 */
import { CHECKPOINT_TOPIC } from "@tallystick/evidence";
import type { Link } from "./link.ts";
import type { Random } from "./random.ts";
import type { Schedule } from "./schedule.ts";

export type Message = { readonly topic: string; readonly payload: Uint8Array };

/** How bad the weather is: probabilities for each message, and the longest delay of a late one. */
export type Weather = {
  lose: number;
  double: number;
  delay: number;
  maxDelayMs: number;
  alter: number;
  /** A message on the way down is put into the place of another one, for the same device or another. */
  swap: number;
};

export const FAIR: Weather = { lose: 0, double: 0, delay: 0, maxDelayMs: 0, alter: 0, swap: 0 };

/** Messages that wait for a client; more are dropped. */
const MAX_QUEUE = 400;
/** Messages sent to a client and not acknowledged. */
const MAX_IN_FLIGHT = 20;
const MAX_REMEMBERED = 50;

type Session = {
  readonly id: string;
  readonly subscriptions: Set<string>;
  readonly queue: Message[];
  readonly inFlight: Map<number, Message>;
  link: Link | undefined;
};

export class Broker {
  weather: Weather = { ...FAIR };
  /** Told of each message as the broker takes it in. */
  onMessage: (message: Message) => void = () => {};
  readonly #schedule: Schedule;
  readonly #random: Random;
  readonly #sessions = new Map<string, Session>();
  readonly #retained = new Map<string, Uint8Array>();
  readonly #past: Message[] = [];
  #nextId = 1;

  constructor(schedule: Schedule, random: Random) {
    this.#schedule = schedule;
    this.#random = random;
  }

  retained(topic: string): Uint8Array | undefined {
    return this.#retained.get(topic);
  }

  /** Messages that wait for anybody. */
  get waiting(): number {
    let count = 0;
    for (const { queue, inFlight } of this.#sessions.values()) count += queue.length + inFlight.size;
    return count;
  }

  /** Everything in its memory is gone, and every connection is cut. */
  restart(): void {
    for (const { link } of this.#sessions.values()) link?.cut("the broker was restarted");
    this.#sessions.clear();
    this.#retained.clear();
  }

  /** Cuts the connection of a client, if it has one. */
  cut(id: string): void {
    this.#sessions.get(id)?.link?.cut("cut");
  }

  connect(id: string, link: Link): void {
    let session = this.#sessions.get(id);
    if (session === undefined) {
      session = { id, subscriptions: new Set(), queue: [], inFlight: new Map(), link: undefined };
      this.#sessions.set(id, session);
    }
    session.link?.cut("another connection took over"); // MQTT-3.1.4-2
    session.link = link;
    const own = session;
    link.onCut(() => {
      if (own.link === link) own.link = undefined;
    });
    // MQTT-4.4.0-1: what was sent and not acknowledged is sent again
    for (const [messageId, message] of session.inFlight) this.#deliver(session, messageId, message);
    this.#drain(session);
  }

  /** What is retained goes out at once, ahead of what waits. */
  subscribe(id: string, filter: string): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    session.subscriptions.add(filter);
    for (const [topic, payload] of this.#retained)
      if (matches(filter, topic)) this.#send(session, { topic, payload });
  }

  acknowledged(id: string, messageId: number): void {
    const session = this.#sessions.get(id);
    session?.inFlight.delete(messageId);
    if (session !== undefined) this.#drain(session);
  }

  /** Takes a message in. Its sender has its PUBACK by then, or soon. */
  publish(message: Message, retain: boolean): void {
    this.onMessage(message);
    if (retain) this.#retained.set(message.topic, message.payload);
    this.#past.push(message);
    if (this.#past.length > MAX_REMEMBERED) this.#past.shift();
    for (const session of this.#sessions.values()) {
      if (![...session.subscriptions].some((filter) => matches(filter, message.topic))) continue;
      this.#route(session, message);
    }
  }

  #route(session: Session, message: Message): void {
    const { lose, double, delay, maxDelayMs, alter, swap } = this.weather;
    const random = this.#random;
    if (random.chance(lose)) return;
    const copies = random.chance(double) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      let one = message;
      // The checkpoint is the log's own word about itself; whoever can alter it can withhold it as well.
      if (message.topic !== CHECKPOINT_TOPIC && random.chance(alter)) one = altered(message, random);
      if (message.topic !== CHECKPOINT_TOPIC && random.chance(swap))
        one = { topic: message.topic, payload: random.pick(this.#past).payload };
      if (random.chance(delay)) {
        const waitMs = random.between(0, maxDelayMs);
        this.#schedule.after(waitMs, "broker: a late message", () => this.#enqueue(session, one));
      } else this.#enqueue(session, one);
    }
  }

  #enqueue(session: Session, message: Message): void {
    if (session.queue.length >= MAX_QUEUE) return;
    session.queue.push(message);
    this.#drain(session);
  }

  #drain(session: Session): void {
    while (session.link !== undefined && session.inFlight.size < MAX_IN_FLIGHT) {
      const message = session.queue.shift();
      if (message === undefined) return;
      this.#send(session, message);
    }
  }

  #send(session: Session, message: Message): void {
    const messageId = this.#nextId++;
    session.inFlight.set(messageId, message);
    this.#deliver(session, messageId, message);
  }

  #deliver(session: Session, messageId: number, message: Message): void {
    session.link?.down((client) => client.message(messageId, message));
  }
}

function altered({ topic, payload }: Message, random: Random): Message {
  const bytes = new Uint8Array(payload); // a copy: the slice of a Buffer is none
  const at = random.below(bytes.length);
  switch (random.below(3)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return { topic, payload: bytes };
    case 1:
      return { topic, payload: bytes.slice(0, at) };
    default:
      return {
        topic,
        payload: new Uint8Array([...bytes.slice(0, at), ...random.bytes(3), ...bytes.slice(at)]),
      };
  }
}

/** MQTT 3.1.1 section 4.7, for the filters that occur. */
function matches(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  const wanted = filter.split("/");
  const given = topic.split("/");
  return wanted.length === given.length && wanted.every((part, i) => part === "+" || part === given[i]);
}
