/**
 * What a broker may send a client: the fixed header of each MQTT 3.1.1 packet is read before the client's parser keeps a byte of its body. MQTT.js collects whatever
 * the announced remaining length says, up to 256 MiB, and keeps messages of QoS 2 until they are released, however many.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import { EvidenceError } from "../errors.ts";

const PUBLISH = 3;
const QOS_2 = 2;
/** Topic and packet identifier come before a PUBLISH's payload; our longest topic has 113 characters. */
const MAX_HEAD_BYTES = 260;
/** CONNACK, PUBACK, SUBACK, UNSUBACK, PINGRESP and their kin: of what we ask for at once. */
const MAX_ANSWER_BYTES = 256;

/**
 * Ends the connection where its other end announces more than `maxPayloadBytes` in a PUBLISH, or sends one at QoS 2. To be called before the client reads from the
 * socket; its `error` is EvidenceError `too-large`, `packet-malformed` or `qos-unsupported` then.
 */
export function boundPackets<S extends Duplex>(socket: S, maxPayloadBytes: number): S {
  const headers = new Headers(maxPayloadBytes);
  socket.on("data", (chunk: Uint8Array) => {
    const fault = headers.look(chunk);
    if (fault !== undefined) socket.destroy(fault);
  });
  return socket;
}

/** Follows the packet boundaries; it copies and keeps nothing. */
class Headers {
  readonly #maxPublishBytes: number;
  /** Bytes of the packet's body still to come. */
  #body = 0;
  /** Bit position of the next byte of the remaining length; -1 where a packet begins. */
  #shift = -1;
  #length = 0;
  #limit = 0;

  constructor(maxPayloadBytes: number) {
    this.#maxPublishBytes = maxPayloadBytes + MAX_HEAD_BYTES;
  }

  look(chunk: Uint8Array): EvidenceError | undefined {
    for (let at = 0; at < chunk.length;) {
      if (this.#body > 0) {
        const step = Math.min(this.#body, chunk.length - at);
        this.#body -= step;
        at += step;
        continue;
      }
      const byte = chunk[at++] ?? 0;
      const fault = this.#shift < 0 ? this.#begin(byte) : this.#lengthByte(byte);
      if (fault !== undefined) return fault;
    }
    return undefined;
  }

  #begin(byte: number): EvidenceError | undefined {
    const isPublish = byte >> 4 === PUBLISH;
    if (isPublish && ((byte >> 1) & 3) >= QOS_2)
      return new EvidenceError(
        "qos-unsupported",
        "the broker sends a message at QoS 2, which nobody asked for",
      );
    this.#limit = isPublish ? this.#maxPublishBytes : MAX_ANSWER_BYTES;
    this.#length = 0;
    this.#shift = 0;
    return undefined;
  }

  #lengthByte(byte: number): EvidenceError | undefined {
    this.#length += (byte & 127) << this.#shift;
    if (this.#length > this.#limit)
      return new EvidenceError(
        "too-large",
        `the broker announces a packet of more than ${this.#limit} bytes`,
      );
    if (byte < 128) {
      this.#body = this.#length;
      this.#shift = -1;
      return undefined;
    }
    this.#shift += 7;
    // MQTT 3.1.1 section 2.2.3: at most four bytes
    return this.#shift > 21
      ? new EvidenceError(
          "packet-malformed",
          "the broker sends a packet whose length has more than four bytes",
        )
      : undefined;
  }
}
