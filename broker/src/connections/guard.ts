/**
 * Reads the fixed header of every MQTT packet that a client sends, before anything keeps a byte of it.
 *
 * aedes has no limit on the size of a packet: its parser collects whatever the announced remaining length says, up to
 * 256 MiB. Here a packet that announces too much is cut off after at most five bytes of it were seen; one that a client
 * never sends (CONNACK, SUBACK, ...), that comes before CONNECT, or that trickles in piece by piece, as well.
 *
 * Nor does aedes limit how many packets it handles at once: it takes all that one read brings, and 64 KiB can be 32,768 pings. So the guard
 * also says where a batch of packets ends.
 *
 * @module
 */
import type { EvidenceCode } from "@tallystick/evidence";

/** Why a connection was cut off. */
export type GuardCode = Extract<EvidenceCode, "too-large" | "packet-malformed" | "packet-trickled">;

export interface PacketLimits {
  /** Payload of a PUBLISH, in bytes. */
  readonly maxPayloadBytes: number;
  /** Remaining length of CONNECT, SUBSCRIBE and UNSUBSCRIBE, in bytes. */
  readonly maxControlBytes: number;
}

/** Topic and packet identifier of a PUBLISH come before its payload. Our longest topic has 113 characters. */
const MAX_TOPIC_BYTES = 256;

/**
 * Pieces in which one packet may arrive. A segment of the network's smallest usual size carries 536 bytes, so the largest
 * packet needs 125. Each piece costs some 250 bytes of bookkeeping, so 65,536 one-byte pieces would cost 16 MB a connection.
 */
const MAX_PIECES = 1024;

/** Packets that are handed on at a time; aedes reads again when it is done with them. */
const MAX_BATCH = 128;

const NEVER = -1;
const CONNECT = 1;

/** Largest remaining length by packet type (MQTT 3.1.1, 2.2.1); what only servers send is `NEVER`. */
function lengthLimits({ maxPayloadBytes, maxControlBytes }: PacketLimits): Int32Array {
  const publish = maxPayloadBytes + 2 + MAX_TOPIC_BYTES + 2;
  const control = maxControlBytes;
  //                     0      CONNECT  CONNACK PUBLISH  PUBACK PUBREC PUBREL PUBCOMP
  return Int32Array.of(
    NEVER,
    control,
    NEVER,
    publish,
    2,
    2,
    2,
    2,
    control,
    NEVER,
    control,
    NEVER,
    0,
    NEVER,
    0,
    NEVER,
  );
  //                                           SUBSCRIBE^  SUBACK  UNSUBSCRIBE^ UNSUBACK PINGREQ PINGRESP DISCONNECT
}

/** Follows the packet boundaries in one connection's bytes; it copies and keeps none of them. */
export class PacketGuard {
  readonly #limits: Int32Array;
  #first = true;
  /** Bytes of the packet's body still to come. */
  #body = 0;
  /** Bit position of the next remaining-length byte, or -1 where a new packet starts. */
  #shift = -1;
  #length = 0;
  #limit = 0;
  #pieces = 0;
  #packets = 0;

  constructor(limits: PacketLimits) {
    this.#limits = lengthLimits(limits);
  }

  /** Packets that began so far. */
  get packets(): number {
    return this.#packets;
  }

  /**
   * Looks at the next bytes. Returns how many of them to hand on (the others, looked at by nobody, have to be given again),
   * or the code to cut the connection off with.
   */
  check(chunk: Uint8Array): number | GuardCode {
    if (++this.#pieces > MAX_PIECES) return "packet-trickled";
    const batchEnd = this.#packets + MAX_BATCH;
    let at = 0;
    while (at < chunk.length) {
      if (this.#body > 0) {
        const step = Math.min(this.#body, chunk.length - at);
        this.#body -= step;
        at += step;
        continue;
      }
      if (this.#shift < 0 && this.#packets === batchEnd) return at;
      const byte = chunk[at++] ?? 0;
      const code = this.#shift < 0 ? this.#start(byte) : this.#lengthByte(byte);
      if (code !== undefined) return code;
    }
    return at;
  }

  #start(byte: number): GuardCode | undefined {
    const type = byte >> 4;
    // [MQTT-3.1.0-1]: the first packet is CONNECT
    if (this.#first && type !== CONNECT) return "packet-malformed";
    this.#limit = this.#limits[type] ?? NEVER;
    if (this.#limit === NEVER) return "packet-malformed";
    this.#first = false;
    this.#packets++;
    this.#pieces = 1;
    this.#length = 0;
    this.#shift = 0;
    return undefined;
  }

  #lengthByte(byte: number): GuardCode | undefined {
    this.#length += (byte & 127) << this.#shift;
    if (this.#length > this.#limit) return "too-large";
    if (byte < 128) {
      this.#body = this.#length;
      this.#shift = -1;
      return undefined;
    }
    this.#shift += 7;
    // MQTT 3.1.1, 2.2.3: at most four bytes
    return this.#shift > 21 ? "packet-malformed" : undefined;
  }
}
