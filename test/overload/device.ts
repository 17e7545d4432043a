/**
 * A device that offers more than is wanted: it sends what it signed beforehand, at most a window of it without receipts as an agent does, and keeps the rest
 * to itself. It comes back when its connection is cut, and sends again what has no receipt.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { decodeDown, downTopic } from "@tallystick/evidence";
import {
  connectPacket,
  PACKET,
  PacketReader,
  readPublish,
  subscribePacket,
} from "../../bench/load/packets.ts";
import type { Presigned } from "../../bench/load/presign.ts";

/** What the devices of a fleet have in common. */
export type DeviceEvents = {
  /** A statement got its first receipt, so long after it was due to go. */
  readonly receipted: (latencyMs: number) => void;
  /** A receipt as it came. */
  readonly receipt: (receipt: Uint8Array, hashes: readonly Uint8Array[]) => void;
  readonly refused: (code: string) => void;
};

/** Statements of a device without a receipt, at most; an agent's default is 4000. */
const WINDOW = 400;
const KEEPALIVE_S = 3600;
const SUBSCRIBE_ID = 65_535;
const RECONNECT_MS = 200;
/** After so long without any receipt, what has none is sent again. */
const RESEND_MS = 5000;
const HASH_BYTES = 32;

const keyOf = (hash: Uint8Array): string => Buffer.from(hash).toString("latin1");

/** A message that went out and has statements without a receipt. */
type Sent = { readonly packet: Uint8Array; readonly dueMs: number; open: number };

export class Device {
  readonly iss: string;
  readonly #port: number;
  readonly #events: DeviceEvents;
  readonly #underway = new Map<string, Sent>();
  readonly #messages = new Set<Sent>();
  #load: Presigned | undefined;
  #next = 0;
  #socket: Socket | undefined;
  #ready = false;
  #ended = false;
  #lastMs = 0;
  /** Statements that went out. */
  sent = 0;

  constructor(iss: string, port: number, events: DeviceEvents) {
    this.iss = iss;
    this.#port = port;
    this.#events = events;
  }

  /** Gives it more to send, when it has sent all it had. */
  load(presigned: Presigned): void {
    this.#load = presigned;
    this.#next = 0;
  }

  get connected(): boolean {
    return this.#ready;
  }

  /** Statements that went out and have no receipt. */
  get open(): number {
    return this.#underway.size;
  }

  /** Whether there is anything left to be sent. */
  get isEmpty(): boolean {
    return this.#load === undefined || this.#next >= this.#load.firsts.length - 1;
  }

  connect(): void {
    const socket = connect({ host: "127.0.0.1", port: this.#port, noDelay: true });
    this.#socket = socket;
    const reader = new PacketReader((type, body) => this.#packet(type, body));
    socket.on("data", (chunk: Buffer) => reader.take(chunk));
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#ready = false;
      if (!this.#ended) setTimeout(() => this.connect(), RECONNECT_MS);
    });
    socket.write(connectPacket(this.iss, KEEPALIVE_S));
    socket.write(subscribePacket(SUBSCRIBE_ID, downTopic(this.iss)));
  }

  /** The next message is due. Returns how many statements went out: none where the window is full, or nobody is there. */
  offer(dueMs: number): number {
    const load = this.#load;
    if (load === undefined || this.isEmpty || !this.#ready || this.#underway.size >= WINDOW) return 0;
    const message = this.#next++;
    const [first = 0, last = 0] = [load.firsts[message], load.firsts[message + 1]];
    const packet = load.packets.subarray(load.offsets[message], load.offsets[message + 1]);
    const sent: Sent = { packet, dueMs, open: last - first };
    for (let at = first; at < last; at++)
      this.#underway.set(keyOf(load.hashes.subarray(at * HASH_BYTES, (at + 1) * HASH_BYTES)), sent);
    this.#messages.add(sent);
    this.#socket?.write(packet);
    this.#lastMs = dueMs;
    this.sent += last - first;
    return last - first;
  }

  /** To be called now and then: what waits for too long is sent again. */
  remind(nowMs: number): void {
    if (this.#ready && this.open > 0 && nowMs - this.#lastMs > RESEND_MS) this.#resend(nowMs);
  }

  end(): void {
    this.#ended = true;
    this.#socket?.destroy();
  }

  #resend(nowMs: number): void {
    this.#lastMs = nowMs;
    for (const { packet } of this.#messages) this.#socket?.write(packet);
  }

  #packet(type: number, body: Buffer): void {
    if (type === PACKET.publish) this.#take(body);
    else if (type === PACKET.suback) {
      this.#ready = true;
      this.#resend(performance.now());
    }
  }

  #take(body: Buffer): void {
    const nowMs = performance.now();
    const { id, payload } = readPublish(body);
    this.#socket?.write(Buffer.of(PACKET.puback << 4, 2, id >> 8, id & 255));
    for (const message of decodeDown(payload)) {
      if (message.kind === "rejected") this.#events.refused(message.code);
      if (message.kind !== "receipt") continue;
      this.#events.receipt(message.receipt, message.hashes);
      for (const hash of message.hashes) this.#receipted(keyOf(hash), nowMs);
    }
  }

  /** A second receipt for the same statement is nothing new: it was sent twice. */
  #receipted(key: string, nowMs: number): void {
    const sent = this.#underway.get(key);
    if (sent === undefined) return;
    this.#underway.delete(key);
    this.#lastMs = nowMs;
    sent.open -= 1;
    if (sent.open === 0) this.#messages.delete(sent);
    this.#events.receipted(nowMs - sent.dueMs);
  }
}
