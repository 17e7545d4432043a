/**
 * How much of what was written to a local socket its reader has not read: what the kernel holds for it, on either side.
 *
 * @module
 */
import { readFileSync } from "node:fs";

/**
 * Bytes between a writer and a reader on 127.0.0.1, as Linux counts them: not yet taken over by the reader's side, and there but not read.
 *
 * @returns undefined where there is no such connection
 * @see proc(5), /proc/net/tcp: addresses in hexadecimal, then state, then `tx_queue:rx_queue`
 */
export function unreadBytes(writerPort: number, readerPort: number): number | undefined {
  let sum: number | undefined;
  for (const line of readFileSync("/proc/net/tcp", "latin1").split("\n")) {
    const [, local = "", remote = "", , queues = ""] = line.trim().split(/\s+/);
    const [unsent = "", unread = ""] = queues.split(":");
    const at = (address: string): number => Number.parseInt(address.slice(address.indexOf(":") + 1), 16);
    if (at(local) === writerPort && at(remote) === readerPort) sum = (sum ?? 0) + Number.parseInt(unsent, 16);
    if (at(local) === readerPort && at(remote) === writerPort) sum = (sum ?? 0) + Number.parseInt(unread, 16);
  }
  return sum;
}
