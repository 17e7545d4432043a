/**
 * Lets connections in, or not: before a byte of them is read, by how many there are, how many of their address, and how many of those have not yet shown
 * who they are. A refusal here costs an accept and a reset.
 *
 * @module
 */
import { isIPv6, type Socket } from "node:net";
import type { EvidenceCode } from "@tallystick/evidence";
import { Buckets } from "@tallystick/evidence/node";
import type { Config } from "../config.ts";

export type GateOptions = {
  readonly limits: Pick<
    Config["limits"],
    "maxConnections" | "maxUnproved" | "address" | "handshakeTimeoutMs" | "connectTimeoutMs"
  >;
  readonly nowMs: () => number;
  readonly refused: (code: EvidenceCode, address: string) => void;
};

/** Addresses whose attempts are remembered. */
const MAX_ADDRESSES = 16_384;

/** One address with connections; those that have shown nothing yet, in the order in which they came, each with what ends its being one of them. */
type Present = { connections: number; readonly unproved: Map<Socket, () => void> };

/** A connection that is in. */
export type Passage = {
  readonly address: string;
  /** It has shown who it is: its time is no longer limited. */
  readonly proved: () => void;
};

export class Gate {
  readonly #options: GateOptions;
  readonly #present = new Map<string, Present>();
  readonly #attempts: Buckets;
  #connections = 0;
  #unproved = 0;

  constructor(options: GateOptions) {
    this.#options = options;
    const perMinute = options.limits.address.maxAttemptsPerMinute;
    this.#attempts = new Buckets(perMinute / 60, MAX_ADDRESSES, { capacity: perMinute });
  }

  /** Connections that have not yet shown who they are, where that is asked for. */
  get unproved(): number {
    return this.#unproved;
  }

  get addresses(): number {
    return this.#present.size;
  }

  /** Counts a connection of a listener that asks nobody who he is: all are this machine's, so only their number is limited. */
  enterFreely(socket: Socket): boolean {
    if (this.#connections >= this.#options.limits.maxConnections) {
      this.#options.refused("connection-limit", "");
      socket.destroy();
      return false;
    }
    this.#connections++;
    socket.once("close", () => this.#connections--);
    return true;
  }

  /** Undefined where the connection is refused; it is closed then. */
  enter(socket: Socket): Passage | undefined {
    const { limits, nowMs } = this.#options;
    const address = groupOf(socket.remoteAddress ?? "");
    const present = this.#present.get(address) ?? { connections: 0, unproved: new Map() };
    const isOver =
      present.connections >= limits.address.maxConnections ||
      present.unproved.size >= limits.address.maxUnproved;
    if (isOver || !this.#attempts.take(address, nowMs())) {
      this.#refuse(socket, "address-limit", address);
      return undefined;
    }
    const isFull = this.#unproved >= limits.maxUnproved && !this.#makeRoom(present);
    if (isFull || this.#connections >= limits.maxConnections) {
      this.#refuse(socket, "connection-limit", address);
      return undefined;
    }
    return this.#let(socket, address, present);
  }

  #let(socket: Socket, address: string, present: Present): Passage {
    const { limits, refused } = this.#options;
    this.#present.set(address, present);
    present.connections++;
    this.#connections++;
    this.#unproved++;
    // one deadline for handshake, upgrade and CONNECT: whoever drips bytes into any of them gains nothing
    const deadline = setTimeout(() => {
      refused("connect-timeout", address);
      socket.destroy();
    }, limits.handshakeTimeoutMs + limits.connectTimeoutMs);
    let isUnproved = true;
    const proved = (): void => {
      if (!isUnproved) return;
      isUnproved = false;
      clearTimeout(deadline);
      present.unproved.delete(socket);
      this.#unproved--;
    };
    present.unproved.set(socket, proved);
    socket.once("close", () => {
      proved();
      this.#connections--;
      if (--present.connections === 0) this.#present.delete(address);
    });
    return { address, proved };
  }

  /** Lets go of the oldest of the address that has most, if that is more than `newcomer` has: who holds many places open keeps nobody else out. */
  #makeRoom(newcomer: Present): boolean {
    let [most, address] = [newcomer, ""];
    for (const [name, present] of this.#present)
      if (present.unproved.size > most.unproved.size) [most, address] = [present, name];
    const [oldest] = most.unproved;
    if (most === newcomer || oldest === undefined) return false;
    this.#options.refused("connection-limit", address);
    const [socket, settled] = oldest;
    settled();
    socket.destroy();
    return true;
  }

  #refuse(socket: Socket, code: EvidenceCode, address: string): void {
    this.#options.refused(code, address);
    socket.on("error", () => {});
    socket.resetAndDestroy(); // no TIME_WAIT here for whoever comes by the thousand
  }
}

/** An IPv4 address as it is, of an IPv6 one its network: whoever has one address there has 2^64. */
export function groupOf(address: string): string {
  const mapped = /^::ffff:([0-9.]+)$/i.exec(address)?.[1];
  if (mapped !== undefined) return mapped;
  if (!isIPv6(address)) return address;
  const [before = "", after] = address.split("%")[0]?.split("::") ?? [];
  const head = before === "" ? [] : before.split(":");
  const tail = after === undefined || after === "" ? [] : after.split(":");
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length;
  const groups = [...head, ...Array.from({ length: Math.max(0, zeros) }, () => "0"), ...tail];
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, "").toLowerCase())
    .join(":")}::/64`;
}
