/**
 * The running broker: listens, says so, and goes on until it is asked to stop.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type Server } from "node:net";
import { createBroker } from "./broker.ts";
import type { Config } from "./config.ts";
import { Counters, type Notice } from "./counters.ts";
import { listen, loopback, stopListening } from "./listen.ts";
import { metricsServer } from "./serve.ts";

/** Where the broker can be reached. */
export interface Addresses {
  readonly mqtt: string;
  readonly http?: string;
}

/**
 * Runs a broker until `signal` fires, then ends all connections.
 *
 * @param ready - called when clients may connect
 * @throws EvidenceError `address-not-loopback`, `address-in-use`
 */
export async function runBroker(
  config: Config,
  notice: Notice,
  ready: (addresses: Addresses) => void,
  signal: AbortSignal,
): Promise<void> {
  loopback(config.listen.host);
  if (config.http !== undefined) loopback(config.http.host);
  const counters = new Counters(notice);
  const broker = await createBroker(config, counters, () => performance.now());
  const server = createServer({ noDelay: true, keepAlive: true }, (socket) => broker.handle(socket));
  server.maxConnections = config.limits.maxConnections;
  server.on("drop", () => counters.refused("connection-limit", ""));
  const servers: Server[] = [];
  try {
    const mqtt = `mqtt://${await listen(server, config.listen)}`;
    servers.push(server);
    if (config.http === undefined) {
      ready({ mqtt });
    } else {
      const web = metricsServer(() => counters.text(broker.gauges()));
      const http = `http://${await listen(web, config.http)}`;
      servers.push(web);
      ready({ mqtt, http });
    }
    if (!signal.aborted) await once(signal, "abort");
  } finally {
    const stopped = servers.map(stopListening);
    await broker.close();
    await Promise.all(stopped);
  }
}
