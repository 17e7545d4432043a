/**
 * What a broker's address says of the way there.
 *
 * @module
 */

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/;

/** True where whatever is said over this address stays on this machine, or goes through TLS. */
export function staysPrivate(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === "mqtts:" || LOOPBACK.test(hostname);
}
