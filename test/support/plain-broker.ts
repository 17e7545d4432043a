/**
 * A broker of nobody's: aedes on a free port, with no rules at all. What the anchor must hold to, it must hold to on any broker.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { Aedes } from "aedes";
import { connectAsync, type MqttClient } from "mqtt";

export class PlainBroker {
  readonly port: number;
  /** While true, no subscription is granted. */
  refuseSubscriptions = false;
  readonly #aedes: Aedes;
  readonly #server: ReturnType<typeof createServer>;
  readonly #sockets: Set<Socket>;
  readonly #clients: MqttClient[] = [];

  private constructor(aedes: Aedes, server: ReturnType<typeof createServer>, sockets: Set<Socket>) {
    this.#aedes = aedes;
    this.#server = server;
    this.#sockets = sockets;
    aedes.authorizeSubscribe = (_client, subscription, done) => {
      done(null, this.refuseSubscriptions ? null : subscription);
    };
    this.port = (server.address() as AddressInfo).port;
  }

  static async start(port = 0): Promise<PlainBroker> {
    const aedes = await Aedes.createBroker();
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      aedes.handle(socket);
    });
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    return new PlainBroker(aedes, server, sockets);
  }

  get url(): string {
    return `mqtt://127.0.0.1:${this.port}`;
  }

  /** A client of the test's own. */
  async client(clientId: string): Promise<MqttClient> {
    const client = await connectAsync(this.url, { clientId, reconnectPeriod: 0 });
    this.#clients.push(client);
    return client;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.end(true);
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
    await new Promise<void>((resolve) => this.#aedes.close(resolve));
  }
}
