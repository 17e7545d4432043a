/**
 * The few MQTT 3.1.1 packets that a device needs, written by hand: the load must cost next to nothing, since it shares the processors with
 * what is measured.
 *
 * @module
 */

/** Control packet types (MQTT 3.1.1, 2.2.1), as the upper half of the first byte. */
export const PACKET = { connack: 2, publish: 3, puback: 4, suback: 9, pingresp: 13 } as const;

/** Remaining length: seven bits a byte, lowest first (2.2.3). */
function lengthBytes(length: number): number[] {
  const bytes: number[] = [];
  let rest = length;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128);
    bytes.push(rest > 0 ? low + 128 : low);
  } while (rest > 0);
  return bytes;
}

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.of(bytes.length >> 8, bytes.length & 255), bytes]);
};

const packet = (first: number, ...parts: readonly Uint8Array[]): Buffer => {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(first, ...lengthBytes(body.length)), body]);
};

/** CONNECT with a clean session (3.1). */
export const connectPacket = (clientId: string, keepaliveS: number): Buffer =>
  packet(0x10, text("MQTT"), Buffer.of(4, 2, keepaliveS >> 8, keepaliveS & 255), text(clientId));

/** SUBSCRIBE at QoS 1 (3.8). */
export const subscribePacket = (id: number, filter: string): Buffer =>
  packet(0x82, Buffer.of(id >> 8, id & 255), text(filter), Buffer.of(1));

/** What comes before the payload of a QoS 1 PUBLISH (3.3); its last two bytes are the packet identifier. */
export const publishHead = (topic: string, id: number, payloadBytes: number): Buffer => {
  const name = text(topic);
  const length = lengthBytes(name.length + 2 + payloadBytes);
  return Buffer.concat([Buffer.of(0x32, ...length), name, Buffer.of(id >> 8, id & 255)]);
};

/** Takes packets out of the bytes of one connection. */
export class PacketReader {
  readonly #onPacket: (type: number, body: Buffer) => void;
  #rest: Buffer | undefined;

  constructor(onPacket: (type: number, body: Buffer) => void) {
    this.#onPacket = onPacket;
  }

  take(chunk: Buffer): void {
    const bytes = this.#rest === undefined ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    for (;;) {
      let length = 0;
      let body = at + 1;
      let shift = 0;
      let more = true;
      for (; more && body < bytes.length; body++, shift += 7) {
        const byte = bytes[body] ?? 0;
        length += (byte & 127) << shift;
        more = byte >= 128;
      }
      if (more || body + length > bytes.length) break;
      this.#onPacket((bytes[at] ?? 0) >> 4, bytes.subarray(body, body + length));
      at = body + length;
    }
    this.#rest = at < bytes.length ? bytes.subarray(at) : undefined;
  }
}

/** Topic, packet identifier and payload of a QoS 1 PUBLISH. */
export function readPublish(body: Buffer): { id: number; payload: Buffer } {
  const topicBytes = body.readUInt16BE(0);
  return { id: body.readUInt16BE(2 + topicBytes), payload: body.subarray(4 + topicBytes) };
}
