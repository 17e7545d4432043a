/**
 * One client's subscription to one filter: what is on its way to it, and who waits until it has taken some of that.
 *
 * A message is on its way until it is written to the socket (until the socket has drained, where it is full). That alone would let megabytes of the kernel's buffers lie
 * before a ledger that is busy, and what the broker answers to it behind them: a second's work or more, in which its receipts wait to be acknowledged and fill its memory. So of a service
 * that is waited for, what it has not acknowledged counts too. The ledger acknowledges a message when it has room for the next one.
 *
 * @module
 */
import type { AedesPublishPacket } from "aedes";
import type { QueueBounds } from "../config.ts";

/** How aedes is handed a message for one subscription; `done` is called when it was written out, or can't be. */
export type Listener = (packet: AedesPublishPacket, done: () => void) => void;

/** How one client's subscriptions are treated. */
export interface Treatment extends QueueBounds {
  readonly waitedFor: boolean;
}

/** How long writers wait for a service that takes nothing, and who is told then. */
export interface Patience {
  readonly stalledAfterMs: number;
  readonly stalled: (client: string) => void;
}

/** A service that is waited for has enough with this part of its queue; what is on its way by then fits the rest. Below half of that it gets more: many at a time, in one write. */
const ENOUGH = 1 / 32;

interface Writer {
  readonly bytes: number;
  readonly goOn: () => void;
}

export class Subscription {
  readonly segments: readonly string[];
  readonly listener: Listener;
  readonly #patience: Patience;
  treatment: Treatment;
  owner = "";
  /** Not yet written out. */
  messages = 0;
  bytes = 0;
  /** Bytes of each message, by the broker's own number, that the owner has not acknowledged; and of all. */
  readonly #kept = new Map<number, number>();
  #keptBytes = 0;
  #waiting: Writer[] = [];
  #again: NodeJS.Immediate | undefined;
  #stall: NodeJS.Timeout | undefined;

  constructor(filter: string, listener: Listener, bounds: QueueBounds, patience: Patience) {
    this.segments = filter.split("/");
    this.listener = listener;
    this.treatment = { ...bounds, waitedFor: false };
    this.#patience = patience;
  }

  hasRoom(bytes: number): boolean {
    return this.messages < this.treatment.maxMessages && this.bytes + bytes <= this.treatment.maxBytes;
  }

  hasEnough(): boolean {
    const { messages, bytes } = this.#room();
    return messages < 0 || bytes < 0;
  }

  deliver(packet: AedesPublishPacket, bytes: number, delivered: () => void): void {
    this.messages++;
    this.bytes += bytes;
    this.listener(packet, () => {
      this.messages--;
      this.bytes -= bytes;
      delivered();
      this.#tookSome();
    });
  }

  /** This message counts until it is acknowledged. */
  keep(brokerCounter: number, bytes: number): void {
    this.#kept.set(brokerCounter, bytes);
    this.#keptBytes += bytes;
  }

  acknowledged(brokerCounter: number): void {
    const bytes = this.#kept.get(brokerCounter);
    if (bytes === undefined) return;
    this.#kept.delete(brokerCounter);
    this.#keptBytes -= bytes;
    this.#tookSome();
  }

  /** Whoever wrote a message of so many bytes goes on when the owner has room for another one. */
  wait(bytes: number, goOn: () => void): void {
    this.#waiting.push({ bytes, goOn });
    this.#stall ??= setTimeout(() => this.#patience.stalled(this.owner), this.#patience.stalledAfterMs);
  }

  /** Nobody waits for it any longer. */
  end(): void {
    clearImmediate(this.#again);
    clearTimeout(this.#stall);
    const writers = this.#waiting;
    this.#waiting = [];
    for (const { goOn } of writers) goOn();
  }

  #tookSome(): void {
    if (this.#waiting.length === 0) return;
    this.#stall?.refresh();
    this.#release();
  }

  /** Lets as many go on as there is room for, if each brings as much again: all of them at once would bring a message each. */
  #release(): void {
    const room = this.#room();
    const { maxMessages, maxBytes } = this.treatment;
    if (room.messages < (maxMessages * ENOUGH) / 2 || room.bytes < (maxBytes * ENOUGH) / 2) return;
    let count = 0;
    for (const { bytes } of this.#waiting) {
      if (room.messages < 0 || room.bytes < 0) break;
      room.messages--;
      room.bytes -= bytes;
      count++;
    }
    // taken off the list first: whoever goes on may bring its next message at once
    const released = this.#waiting.splice(0, count);
    if (this.#waiting.length === 0) {
      clearTimeout(this.#stall);
      this.#stall = undefined;
    }
    for (const { goOn } of released) goOn();
    if (this.#waiting.length > 0 && this.messages === 0 && this.#kept.size === 0) {
      // they bring nothing, and nothing that is on its way will end: the next ones
      this.#again ??= setImmediate(() => {
        this.#again = undefined;
        this.#release();
      });
    }
  }

  #room(): { messages: number; bytes: number } {
    const { maxMessages, maxBytes } = this.treatment;
    return {
      messages: maxMessages * ENOUGH - Math.max(this.messages, this.#kept.size),
      bytes: maxBytes * ENOUGH - Math.max(this.bytes, this.#keptBytes),
    };
  }
}
