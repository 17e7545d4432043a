/**
 * The wire between agent and broker: carries every byte, lets the demonstration see what passes, and can lose a message as a bad
 * network or a bad broker would: acknowledged, and gone. Agent and broker know nothing of it.
 *
 * @module
 */
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Server, type Socket } from "node:net";
import { parseTopic } from "@tallystick/evidence";
import { PacketCutter, puback, readPublish } from "./packets.ts";

export type LinkEvents = {
  /** A message of statements on its way to the ledger. */
  readonly up: (payload: Uint8Array) => void;
  /** A message of receipts on its way to the agent. */
  readonly down: (payload: Uint8Array) => void;
  /** A message of statements that was lost on purpose. */
  readonly lost: (payload: Uint8Array) => void;
};

export class Link {
  readonly #events: LinkEvents;
  readonly #brokerPort: number;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #toLose = 0;

  constructor(brokerPort: number, events: LinkEvents) {
    this.#brokerPort = brokerPort;
    this.#events = events;
    this.#server = createServer({ noDelay: true }, (agent) => this.#join(agent));
  }

  /** Listens on 127.0.0.1, and resolves with the port. */
  async listen(): Promise<number> {
    this.#server.listen(0, "127.0.0.1");
    await once(this.#server, "listening");
    return (this.#server.address() as AddressInfo).port;
  }

  /** Loses the next message of statements. */
  loseNext(): void {
    this.#toLose++;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    if (!this.#server.listening) return;
    this.#server.close();
    await once(this.#server, "close");
  }

  #join(agent: Socket): void {
    const broker = connect({ port: this.#brokerPort, host: "127.0.0.1", noDelay: true });
    const pair = [agent, broker];
    for (const socket of pair) {
      this.#sockets.add(socket);
      socket.on("error", () => {}); // "close" follows
      socket.on("close", () => {
        this.#sockets.delete(socket);
        for (const one of pair) one.destroy();
      });
    }
    carry(agent, broker, (packet) => !this.#isLost(packet, agent));
    carry(broker, agent, (packet) => {
      const message = readPublish(packet);
      if (message !== undefined && parseTopic(message.topic)?.kind === "down")
        this.#events.down(message.payload);
      return true;
    });
  }

  #isLost(packet: Buffer, agent: Socket): boolean {
    const message = readPublish(packet);
    if (message === undefined || parseTopic(message.topic)?.kind !== "up") return false;
    this.#events.up(message.payload);
    if (this.#toLose === 0 || message.identifier === undefined) return false;
    this.#toLose--;
    agent.write(puback(message.identifier));
    this.#events.lost(message.payload);
    return true;
  }
}

/** Carries the packets that `passes` lets through, no faster than they are taken. */
function carry(from: Socket, to: Socket, passes: (packet: Buffer) => boolean): void {
  const cutter = new PacketCutter();
  to.on("drain", () => from.resume());
  from.on("end", () => to.end());
  from.on("data", (chunk: Buffer) => {
    try {
      for (const packet of cutter.cut(chunk)) if (passes(packet) && !to.write(packet)) from.pause();
    } catch {
      from.destroy();
    }
  });
}
