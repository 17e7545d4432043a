/**
 * The retained messages: the newest `state` of each device and the newest checkpoint. Bounded in number; in bytes by the
 * limits on those two kinds of topic.
 *
 * @module
 */
import type { AedesPublishPacket } from "aedes";
import { ownPayload } from "./own-payload.ts";

export class Retained {
  readonly #packets = new Map<string, AedesPublishPacket>();
  readonly #max: number;
  readonly #refused: () => void;

  /** @param refused - called when a new topic's message is not kept, because `max` topics have one */
  constructor(max: number, refused: () => void) {
    this.#max = max;
    this.#refused = refused;
  }

  get size(): number {
    return this.#packets.size;
  }

  store(packet: AedesPublishPacket): void {
    // [MQTT-3.3.1-10]: an empty retained message takes the one before away
    if (packet.payload.length === 0) {
      this.#packets.delete(packet.topic);
    } else if (this.#packets.size >= this.#max && !this.#packets.has(packet.topic)) {
      this.#refused();
    } else {
      ownPayload(packet);
      this.#packets.set(packet.topic, { ...packet });
    }
  }

  topics(): readonly string[] {
    return [...this.#packets.keys()];
  }

  forget(topic: string): void {
    this.#packets.delete(topic);
  }

  /** Messages that match the filters: looked up where a filter has no wildcard, searched for where it has. */
  *matching(filters: readonly string[]): Generator<AedesPublishPacket> {
    for (const filter of filters) {
      if (!filter.includes("+")) {
        const packet = this.#packets.get(filter);
        if (packet !== undefined) yield packet;
        continue;
      }
      const segments = filter.split("/");
      for (const [topic, packet] of this.#packets) if (topicMatches(segments, topic.split("/"))) yield packet;
    }
  }
}

/** Tells whether a topic's segments match a filter's, in which `+` stands for any one segment (MQTT 3.1.1, 4.7.1.3). */
export function topicMatches(filter: readonly string[], topic: readonly string[]): boolean {
  if (filter.length !== topic.length) return false;
  for (let at = 0; at < filter.length; at++) if (filter[at] !== "+" && filter[at] !== topic[at]) return false;
  return true;
}
