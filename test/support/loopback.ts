/**
 * Ports on this machine's loopback, and figures of the programs that listen on them.
 *
 * @module
 */
import { once } from "node:events";
import { createServer } from "node:net";

/** Outside the range from which systems take the ports of outgoing connections: while a program is down, nobody else gets its port. */
const FIRST_PORT = 20_000;
const PORTS = 10_000;

/** A port on which nobody listens. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST_PORT + Math.floor(Math.random() * PORTS);
    const server = createServer();
    const free = await new Promise<boolean>((resolve) => {
      server.once("error", () => resolve(false)).listen(port, "127.0.0.1", () => resolve(true));
    });
    if (!free) continue;
    server.close();
    await once(server, "close");
    return port;
  }
}

/** A sample of a page of metrics, by name and labels; 0 where there is none. */
export async function metricAt(url: string, name: string): Promise<number> {
  const text = await (await fetch(url)).text();
  const line = text.split("\n").find((one) => one.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length + 1));
}
