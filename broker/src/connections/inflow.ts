/**
 * What one connection may bring in, and when: slice by slice, each looked at by the guard, and nothing while what it brought
 * before is still being dealt with.
 *
 * aedes means to read on only when it has dealt with all packets of the read before, but each `readable` event makes its count one too
 * small, so with one packet a read it never waits. Here reading waits while a publish of this client is under way (the router
 * holds publishes back where the ledger is busy), and while the client does not take its answers.
 *
 * @module
 */
import type { Duplex } from "node:stream";
import { Bucket } from "@tallystick/evidence/node";
import type { DeviceRate, UnderwayBounds } from "../config.ts";
import type { GuardCode, PacketGuard } from "./guard.ts";

/** Bytes handed on at a time; others get their turn in between. */
const SLICE_BYTES = 65_536;

/** Packets still taken from a client whose socket is full: acknowledgements, and what a busy ledger has to say. */
const MAX_UNANSWERED = 1024;

/**
 * Publishes under way from all devices together, and their bytes. While there are so many or so much, no device is read from: one turn of the event
 * loop takes a slice from every socket that has one, and with hundreds of them that alone would overfill the ledger's queue.
 */
export class Underway {
  readonly #max: UnderwayBounds;
  #count = 0;
  #bytes = 0;
  #waking = false;
  /** In the order in which they asked. */
  readonly #waiting = new Set<Inflow>();

  constructor(max: UnderwayBounds) {
    this.#max = max;
  }

  get count(): number {
    return this.#count;
  }

  /** Tells whether there is room; where there is none, `inflow` is woken when there is. */
  hasRoomFor(inflow: Inflow): boolean {
    if (this.#hasRoom()) return true;
    this.#waiting.add(inflow);
    return false;
  }

  add(bytes: number): void {
    this.#count++;
    this.#bytes += bytes;
  }

  remove(bytes: number): void {
    this.#count--;
    this.#bytes -= bytes;
    // Who is woken may publish something that is dealt with at once, and ends up here again: one loop wakes all of them, however many wait.
    if (this.#waking) return;
    this.#waking = true;
    try {
      for (const inflow of this.#waiting) {
        if (!this.#hasRoom()) break;
        this.#waiting.delete(inflow);
        inflow.wake();
      }
    } finally {
      this.#waking = false;
    }
  }

  /** Its connection is gone; publishes of it that are under way still come to an end. */
  forget(inflow: Inflow): void {
    this.#waiting.delete(inflow);
  }

  #hasRoom(): boolean {
    return this.#count < this.#max.maxUnderway && this.#bytes < this.#max.maxUnderwayBytes;
  }
}

/** So many seconds' worth may come at once: a device that was away sends what waits. */
const BURST_S = 4;

/** What one device may bring in: packets and bytes a second. What is more waits where it is: at the device. */
class Rate {
  readonly #packets: Bucket;
  readonly #bytes: Bucket;
  readonly #nowMs: () => number;
  #waiting: NodeJS.Timeout | undefined;

  constructor({ maxMessagesPerS, maxBytesPerS }: DeviceRate, nowMs: () => number) {
    this.#packets = new Bucket(maxMessagesPerS, nowMs(), { capacity: BURST_S * maxMessagesPerS });
    this.#bytes = new Bucket(maxBytesPerS, nowMs(), { capacity: BURST_S * maxBytesPerS });
    this.#nowMs = nowMs;
  }

  spend(packets: number, bytes: number): void {
    const nowMs = this.#nowMs();
    this.#packets.spend(packets, nowMs);
    this.#bytes.spend(bytes, nowMs);
  }

  /** Tells whether something may be read; where it may not, `wake` is called when it may. */
  allows(wake: () => void): boolean {
    const nowMs = this.#nowMs();
    const waitMs = Math.max(this.#packets.waitMs(nowMs), this.#bytes.waitMs(nowMs));
    if (waitMs === 0) return true;
    this.#waiting ??= setTimeout(() => {
      this.#waiting = undefined;
      wake();
    }, waitMs);
    return false;
  }

  end(): void {
    clearTimeout(this.#waiting);
  }
}

export class Inflow {
  readonly #all: Underway;
  readonly #socket: Duplex;
  readonly #guard: PacketGuard;
  readonly #read: (size?: number) => unknown;
  readonly #refused: (code: GuardCode) => void;
  /** Publishes that are not yet with the router's subscribers. */
  #underway = 0;
  /** Nobody yet: CONNECT is read whatever the devices do, or no ledger could come back while they wait for it. */
  #isDevice = false;
  /** Packets when the socket was last seen to have room. */
  #answered = 0;
  #turnTaken = false;
  #wanted = false;
  #cutOff = false;
  #rate: Rate | undefined;

  /**
   * Puts itself in the place of the socket's `read`, which is how aedes pulls: nothing is copied or queued twice that way, and
   * what is not read lies in the socket's own buffer, which is bounded (64 KiB, then the kernel's).
   *
   * @param refused - called before the connection is destroyed
   */
  constructor(socket: Duplex, guard: PacketGuard, all: Underway, refused: (code: GuardCode) => void) {
    this.#all = all;
    this.#socket = socket;
    this.#guard = guard;
    this.#refused = refused;
    this.#read = socket.read.bind(socket) as (size?: number) => unknown;
    socket.read = (size) => (size === 0 ? this.#read(0) : this.#next());
    socket.on("drain", () => this.wake());
    socket.once("close", () => {
      all.forget(this);
      this.#rate?.end();
    });
  }

  /** Nothing is read from it while publishes of all devices fill their bound. A service is read from even then: what it has to say is what they wait for. */
  isDevice(): void {
    this.#isDevice = true;
  }

  /** A device that showed its key is read from at this rate. */
  limit(rate: DeviceRate, nowMs: () => number): void {
    this.#rate = new Rate(rate, nowMs);
  }

  /** A publish of this client goes on its way. */
  began(bytes: number): void {
    this.#underway++;
    if (this.#isDevice) this.#all.add(bytes);
  }

  /** It has arrived, as far as the broker is concerned. */
  ended(bytes: number): void {
    if (--this.#underway === 0) this.wake();
    if (this.#isDevice) this.#all.remove(bytes);
  }

  /** Lets aedes read if it wanted to and now may. */
  wake(): void {
    if (!this.#wanted || !this.#mayRead()) return;
    this.#wanted = false;
    this.#socket.emit("readable");
  }

  #mayRead(): boolean {
    if (!this.#socket.writableNeedDrain) this.#answered = this.#guard.packets;
    if (this.#cutOff || this.#turnTaken || this.#underway > 0) return false;
    if (this.#guard.packets - this.#answered >= MAX_UNANSWERED) return false;
    if (this.#rate?.allows(() => this.wake()) === false) return false;
    return !this.#isDevice || this.#all.hasRoomFor(this);
  }

  #next(): unknown {
    if (!this.#mayRead()) {
      this.#wanted = true;
      return null;
    }
    const here = this.#socket.readableLength;
    const chunk: unknown = this.#read(here === 0 ? undefined : Math.min(here, SLICE_BYTES));
    if (!(chunk instanceof Uint8Array)) return chunk;
    // aedes may read from within its parser, where a packet was done with at once; but the parser can't be entered twice
    this.#turnTaken = true;
    this.#wanted = true;
    setImmediate(() => {
      this.#turnTaken = false;
      this.wake();
    });
    const before = this.#guard.packets;
    const passed = this.#guard.check(chunk);
    if (typeof passed === "number") this.#rate?.spend(this.#guard.packets - before, passed);
    if (passed === chunk.length) return chunk;
    if (typeof passed === "number") {
      this.#socket.unshift(chunk.subarray(passed));
      return chunk.subarray(0, passed);
    }
    this.#cutOff = true;
    this.#refused(passed);
    this.#socket.destroy();
    return null;
  }
}
