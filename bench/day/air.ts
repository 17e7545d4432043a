/**
 * Counts what goes over the air between an agent and its broker: MQTT 3.1.1 packets, and what TCP/IP and TLS put around them.
 *
 * @module
 */
import type { Connect, Connection } from "../../agent/src/uplink/uplink.ts";
import type { VirtualTime } from "./virtual-time.ts";

/** IPv4 and TCP with timestamps; a segment carries 1,400 bytes on a mobile network. */
const SEGMENT_HEAD_BYTES = 52;
const SEGMENT_BYTES = 1400;
/** A TLS 1.3 record: head, content type, tag. */
const RECORD_BYTES = 22;
const PUBACK_BYTES = 4;
const PING_BYTES = 2;
/** From the agent to the broker and back; and until a batch is closed, committed and published. */
const ROUND_TRIP_MS = 80;
const BATCH_MS = 150;

export type AirBytes = { up: number; down: number; mqtt: number; pings: number; messages: number };

export type AirOptions = {
  readonly time: VirtualTime;
  readonly upTopic: string;
  readonly downTopic: string;
  /** Whether a ping was due is judged by this. */
  readonly keepaliveS: number;
  /** What the log says to a message. */
  readonly answer: (payload: Uint8Array) => Promise<Uint8Array>;
};

export class Air {
  readonly bytes: AirBytes = { up: 0, down: 0, mqtt: 0, pings: 0, messages: 0 };
  readonly #options: AirOptions;
  #cancelPing = (): void => undefined;

  constructor(options: AirOptions) {
    this.#options = options;
  }

  readonly connect: Connect = (onDown) => {
    this.#outgoing();
    const connection: Connection = {
      publish: (topic, payload) => this.#publish(topic, payload, onDown),
      closed: new Promise(() => undefined),
      end: () => Promise.resolve(),
    };
    return Promise.resolve(connection);
  };

  #publish(topic: string, payload: Uint8Array, onDown: (payload: Uint8Array) => void): Promise<void> {
    const { time, downTopic, answer } = this.#options;
    this.bytes.messages++;
    this.#exchange("up", publishBytes(topic, payload));
    this.#outgoing();
    const receipt = async (): Promise<void> => {
      const message = await answer(payload);
      time.after(BATCH_MS, () => {
        this.#exchange("down", publishBytes(downTopic, message));
        this.#outgoing();
        onDown(message);
      });
    };
    return new Promise((resolve) => {
      time.after(ROUND_TRIP_MS, () => {
        resolve();
        void receipt();
      });
    });
  }

  /** A PUBLISH one way, its PUBACK the other, and the TCP acknowledgement of that. */
  #exchange(way: "up" | "down", publish: number): void {
    const back = way === "up" ? "down" : "up";
    this.bytes[way] += sent(publish) + SEGMENT_HEAD_BYTES;
    this.bytes[back] += sent(PUBACK_BYTES);
    this.bytes.mqtt += publish + PUBACK_BYTES;
  }

  /** MQTT.js pings when it has sent nothing for the keep-alive interval. */
  #outgoing(): void {
    this.#cancelPing();
    this.#cancelPing = this.#options.time.after(this.#options.keepaliveS * 1000, () => {
      this.bytes.pings++;
      this.bytes.up += sent(PING_BYTES) + SEGMENT_HEAD_BYTES;
      this.bytes.down += sent(PING_BYTES);
      this.bytes.mqtt += 2 * PING_BYTES;
      this.#outgoing();
    });
  }
}

const publishBytes = (topic: string, payload: Uint8Array): number => {
  const body = 2 + topic.length + 2 + payload.length;
  const lengthBytes = body < 128 ? 1 : body < 16_384 ? 2 : 3;
  return 1 + lengthBytes + body;
};

const sent = (bytes: number): number => {
  const records = bytes + RECORD_BYTES;
  return records + Math.ceil(records / SEGMENT_BYTES) * SEGMENT_HEAD_BYTES;
};
