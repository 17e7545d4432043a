/**
 * Listening: without TLS on loopback and nowhere else, for beyond it TLS and authentication are a must.
 *
 * @module
 */
import { isIP, type AddressInfo, type Server } from "node:net";
import { EvidenceError } from "@tallystick/evidence";

/**
 * The address to bind for `host`: an IPv4 address of 127.0.0.0/8, `::1`, or `localhost`, which is taken to be 127.0.0.1
 * whatever the machine's hosts file says.
 *
 * @throws EvidenceError `address-not-loopback`
 */
export function loopback(host: string): string {
  if (host === "localhost") return "127.0.0.1";
  if ((isIP(host) === 4 && host.startsWith("127.")) || host === "::1") return host;
  throw new EvidenceError(
    "address-not-loopback",
    `${host}: without TLS the broker listens on loopback only (127.0.0.1, ::1); for a network give the address under tls`,
  );
}

/**
 * The address to bind where TLS and authentication are in force: any IP address, or `localhost`.
 *
 * @throws EvidenceError `address-not-loopback` for a name: whose address it is may change
 */
export function anywhere(host: string): string {
  if (host === "localhost") return "127.0.0.1";
  if (isIP(host) !== 0) return host;
  throw new EvidenceError(
    "address-not-loopback",
    `${host}: give an IP address of this machine; 0.0.0.0 or :: for all of them`,
  );
}

/**
 * Listens, and returns the address as it stands in a URL (`127.0.0.1:1883`, `[::1]:1883`).
 *
 * @throws EvidenceError `address-not-loopback`, `address-in-use`
 */
export async function listen(
  server: Server,
  { host, port }: { host: string; port: number },
  allowed: (host: string) => string = loopback,
): Promise<string> {
  const address = allowed(host);
  await new Promise<void>((resolve, reject) => {
    const failed = (cause: NodeJS.ErrnoException): void => {
      const taken = cause.code === "EADDRINUSE";
      reject(
        taken
          ? new EvidenceError(
              "address-in-use",
              `${host}:${port} is taken: stop what listens there or choose another port`,
            )
          : cause,
      );
    };
    server.once("error", failed);
    server.listen({ host: address, port, backlog: 1024 }, () => {
      server.off("error", failed);
      resolve();
    });
  });
  const bound = server.address() as AddressInfo;
  return `${bound.family === "IPv6" ? `[${bound.address}]` : bound.address}:${bound.port}`;
}

/** Stops listening; resolves when the connections that are still open have ended too. */
export const stopListening = (server: Server): Promise<void> =>
  new Promise((resolve) => {
    server.close(() => resolve());
  });
