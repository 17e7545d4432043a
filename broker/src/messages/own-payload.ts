/**
 * A payload that came in one read with other messages is a view of all of it. Whoever keeps it for a while keeps that alive, which no bound counts.
 *
 * @module
 */
import type { PublishPacket } from "aedes";

/** Gives `packet` a payload of its own, unless what it is a view of is at most twice its size. It may then be kept in several places. */
export function ownPayload(packet: PublishPacket): void {
  const { payload } = packet;
  if (typeof payload === "string" || payload.buffer.byteLength <= 2 * payload.length) return;
  // `Buffer.from` would cut small ones from a pool of 64 KiB, and with that keep others' alive
  const own = Buffer.allocUnsafeSlow(payload.length);
  payload.copy(own);
  packet.payload = own;
}
