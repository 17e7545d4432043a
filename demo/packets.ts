/**
 * MQTT packets in a stream of bytes: where each ends, and what a PUBLISH says. Nothing else of MQTT is known here.
 *
 * @module
 */

/** More than our largest packet: a statement message of 64 KiB with its header. */
const MAX_PACKET_BYTES = 1 << 18;

const PUBLISH = 3;
const PUBACK = 4;

export type Publish = {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly qos: number;
  /** Two bytes; absent at QoS 0. */
  readonly identifier?: Uint8Array;
};

/** Cuts a stream into packets. */
export class PacketCutter {
  #rest: Buffer = Buffer.alloc(0);

  /**
   * The packets that are complete with `chunk`.
   *
   * @throws Error where the stream is not MQTT
   */
  *cut(chunk: Buffer): Generator<Buffer> {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    for (;;) {
      const length = packetLength(this.#rest);
      if (length === undefined || length > this.#rest.length) return;
      const packet = this.#rest.subarray(0, length);
      this.#rest = this.#rest.subarray(length);
      yield packet;
    }
  }
}

/** Length of the packet that begins here (MQTT 3.1.1, 2.2.3); undefined until enough of it is there to tell. */
function packetLength(bytes: Uint8Array): number | undefined {
  let length = 0;
  for (let at = 1; at < 5; at++) {
    const byte = bytes[at];
    if (byte === undefined) return undefined;
    length += (byte & 127) << (7 * (at - 1));
    if (length > MAX_PACKET_BYTES) break;
    if (byte < 128) return 1 + at + length;
  }
  throw new Error("not MQTT, or a packet that is too large");
}

/** Reads a PUBLISH; undefined for any other packet. */
export function readPublish(packet: Buffer): Publish | undefined {
  const first = packet[0] ?? 0;
  if (first >> 4 !== PUBLISH) return undefined;
  let at = 1;
  while ((packet[at] ?? 0) >= 128) at++;
  at++;
  const topicEnd = at + 2 + packet.readUInt16BE(at);
  const topic = packet.toString("utf8", at + 2, topicEnd);
  const qos = (first >> 1) & 3;
  if (qos === 0) return { topic, qos, payload: packet.subarray(topicEnd) };
  return {
    topic,
    qos,
    identifier: packet.subarray(topicEnd, topicEnd + 2),
    payload: packet.subarray(topicEnd + 2),
  };
}

/** The acknowledgement of a QoS 1 publish. */
export const puback = (identifier: Uint8Array): Uint8Array => Uint8Array.of(PUBACK << 4, 2, ...identifier);
