/**
 * One device of the load: a socket, the packets it will send, and which of its statements have a receipt.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { decodeDown, downTopic } from "@tallystick/evidence";
import { issOf } from "./keys.ts";
import { connectPacket, PACKET, PacketReader, readPublish, subscribePacket } from "./packets.ts";
import type { Presigned } from "./presign.ts";

/** What the devices have in common: it counts. */
export interface Ledger {
  /** A statement got its first receipt; `sentMs` is when it was due to go. */
  receipted(device: Device, sentMs: number, nowMs: number): void;
  twice(): void;
  refused(code: string): void;
  /** All statements of a message have their receipts. */
  messageDone(device: Device): void;
  down(bytes: number): void;
  receipt(hashes: readonly Uint8Array[], receipt: Uint8Array): void;
}

const HASH_BYTES = 32;
const KEEPALIVE_S = 3600;
const SUBSCRIBE_ID = 65_535;

export class Device {
  readonly #presigned: Presigned;
  readonly #ledger: Ledger;
  readonly #packets: Buffer;
  readonly #hashes: Buffer;
  /** By statement: receipts that came for it. */
  readonly #receipts: Uint8Array;
  /** By message: statements without a receipt, and when it was due to go. */
  readonly #open: Uint16Array;
  readonly #dueMs: Float64Array;
  #socket: Socket | undefined;
  #subscribed: (() => void) | undefined;
  #acks: Buffer[] = [];
  /** Where the next receipt's first statement is expected. */
  #expected = 0;
  /** Messages that went out. */
  sent = 0;

  constructor(presigned: Presigned, ledger: Ledger) {
    this.#presigned = presigned;
    this.#ledger = ledger;
    this.#packets = Buffer.from(presigned.packets.buffer);
    this.#hashes = Buffer.from(presigned.hashes.buffer);
    this.#receipts = new Uint8Array(presigned.hashes.length / HASH_BYTES);
    const { firsts } = presigned;
    this.#open = Uint16Array.from(
      { length: this.messages },
      (_, i) => (firsts[i + 1] ?? 0) - (firsts[i] ?? 0),
    );
    this.#dueMs = new Float64Array(this.messages);
  }

  get messages(): number {
    return this.#presigned.firsts.length - 1;
  }

  /** Statements that went out. */
  get sentStatements(): number {
    return this.#presigned.firsts[this.sent] ?? 0;
  }

  /** Bytes of the packets that went out. */
  get sentBytes(): number {
    return this.#presigned.offsets[this.sent] ?? 0;
  }

  /** Of the statements that went out: how many have no receipt, one, several. */
  counts(): { never: number; once: number; twice: number } {
    const counts = { never: 0, once: 0, twice: 0 };
    for (const n of this.#receipts.subarray(0, this.sentStatements)) {
      if (n === 0) counts.never++;
      else if (n === 1) counts.once++;
      else counts.twice++;
    }
    return counts;
  }

  /** Resolves when the broker has granted the subscription. */
  async connect(host: string, port: number): Promise<void> {
    const iss = issOf(this.#presigned.device);
    const socket = connect({ host, port, noDelay: true });
    this.#socket = socket;
    const reader = new PacketReader((type, body) => this.#packet(type, body));
    socket.on("data", (chunk: Buffer) => {
      socket.cork();
      reader.take(chunk);
      if (this.#acks.length > 0) {
        socket.write(this.#acks.length === 1 ? (this.#acks[0] ?? "") : Buffer.concat(this.#acks));
        this.#acks = [];
      }
      socket.uncork();
    });
    const failed = new Promise<never>((_, reject) => {
      socket.once("error", reject);
      socket.once("close", () => reject(new Error(`${iss}: the broker closed the connection`)));
    });
    socket.write(connectPacket(iss, KEEPALIVE_S));
    socket.write(subscribePacket(SUBSCRIBE_ID, downTopic(iss)));
    const granted = new Promise<void>((resolve) => {
      this.#subscribed = resolve;
    });
    await Promise.race([granted, failed]);
    failed.catch((error: unknown) => {
      if (!socket.destroyed || this.#subscribed === undefined) return;
      throw error;
    });
  }

  /** Sends the next message; false where there is none left. */
  send(dueMs: number): boolean {
    if (this.sent === this.messages) return false;
    const message = this.sent++;
    this.#dueMs[message] = dueMs;
    this.#write(message);
    return true;
  }

  /** Sends messages again of which some statement has no receipt. Returns how many. */
  resend(): number {
    let count = 0;
    for (let message = 0; message < this.sent; message++) {
      if (this.#open[message] === 0) continue;
      this.#write(message);
      count++;
    }
    return count;
  }

  end(): void {
    this.#subscribed = undefined;
    this.#socket?.destroy();
  }

  #write(message: number): void {
    const { offsets } = this.#presigned;
    this.#socket?.write(this.#packets.subarray(offsets[message], offsets[message + 1]));
  }

  #packet(type: number, body: Buffer): void {
    if (type === PACKET.publish) this.#take(body);
    else if (type === PACKET.suback) {
      if (body.at(-1) === 1) this.#subscribed?.();
      else this.#socket?.destroy(new Error("the broker refuses the subscription"));
    } else if (type === PACKET.connack && body[1] !== 0) {
      this.#socket?.destroy(new Error(`the broker refuses the connection: ${body[1]}`));
    }
  }

  #take(body: Buffer): void {
    const nowMs = performance.now();
    const { id, payload } = readPublish(body);
    this.#acks.push(Buffer.of(PACKET.puback << 4, 2, id >> 8, id & 255));
    this.#ledger.down(payload.length);
    for (const message of decodeDown(payload)) {
      if (message.kind === "receipt") {
        for (const hash of message.hashes) this.#receipted(hash, nowMs);
        this.#ledger.receipt(message.hashes, message.receipt);
      } else if (message.kind === "rejected") this.#ledger.refused(message.code);
    }
  }

  #receipted(hash: Uint8Array, nowMs: number): void {
    const statement = this.#find(hash);
    if (statement < 0) {
      this.#ledger.refused("receipt for a statement that is not ours");
      return;
    }
    this.#expected = statement + 1;
    const count = (this.#receipts[statement] ?? 0) + 1;
    this.#receipts[statement] = Math.min(count, 255);
    if (count > 1) {
      this.#ledger.twice();
      return;
    }
    const message = this.#messageOf(statement);
    this.#ledger.receipted(this, this.#dueMs[message] ?? 0, nowMs);
    const open = (this.#open[message] ?? 1) - 1;
    this.#open[message] = open;
    if (open === 0) this.#ledger.messageDone(this);
  }

  /** Receipts come in the order of the statements, nearly always. */
  #find(hash: Uint8Array): number {
    if (this.#holds(this.#expected, hash)) return this.#expected;
    for (let at = this.sentStatements - 1; at >= 0; at--) if (this.#holds(at, hash)) return at;
    return -1;
  }

  #holds(statement: number, hash: Uint8Array): boolean {
    const at = statement * HASH_BYTES;
    return at < this.#hashes.length && this.#hashes.compare(hash, 0, HASH_BYTES, at, at + HASH_BYTES) === 0;
  }

  #messageOf(statement: number): number {
    const { firsts } = this.#presigned;
    let low = 0;
    let high = this.messages - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((firsts[middle] ?? 0) <= statement) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
