/**
 * Lets connections in, or not: before a byte of them is read, by how many there are, how many of their address, and how many of those have not yet shown
 * who they are. A refusal here costs an accept and a reset.
 *
 * @module
 */
import { isIPv6, type Socket } from "node:net";
import type { EvidenceCode } from "@tallystick/evidence";
import { Buckets } from "./bucket.ts";
import type { Config } from "./config.ts";

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

/** One address with connections. */
type Present = { connections: number; unproved: number };

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
    this.#attempts = new Buckets(options.limits.address.maxAttemptsPerMinute, MAX_ADDRESSES);
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
    const present = this.#present.get(address) ?? { connections: 0, unproved: 0 };
    const isOver =
      present.connections >= limits.address.maxConnections || present.unproved >= limits.address.maxUnproved;
    if (isOver || !this.#attempts.take(address, nowMs())) {
      this.#refuse(socket, "address-limit", address);
      return undefined;
    }
    if (this.#connections >= limits.maxConnections || this.#unproved >= limits.maxUnproved) {
      this.#refuse(socket, "connection-limit", address);
      return undefined;
    }
    return this.#let(socket, address, present);
  }

  #let(socket: Socket, address: string, present: Present): Passage {
    const { limits, refused } = this.#options;
    this.#present.set(address, present);
    present.connections++;
    present.unproved++;
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
      present.unproved--;
      this.#unproved--;
    };
    socket.once("close", () => {
      proved();
      this.#connections--;
      if (--present.connections === 0) this.#present.delete(address);
    });
    return { address, proved };
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
