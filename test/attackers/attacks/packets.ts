/**
 * Hostile packets of clients that were let in: changed, cut, oversized, out of order.
 *
 * @module
 */
import { setTimeout as delay } from "node:timers/promises";
import { hostilePackets } from "../../hostile/mqtt-packets.ts";
import { Random } from "../../hostile/random.ts";
import { dial, tokenFor } from "../../support/token-client.ts";
import { generate } from "mqtt-packet";
import { addressOf, inLanes, nth, signerOf, type Attack } from "../attack.ts";

const PACKETS = 10_000;
const PER_CONNECTION = 16;
const LANES = 24;
const ANSWER_MS = 150;

export const mutated: Attack = async (parties, { seed, times }, attempt) => {
  const connections = Math.ceil((PACKETS * times) / PER_CONNECTION);
  await inLanes(connections, LANES, async (n) => {
    const random = new Random(seed, "attackers", n);
    const iss = nth(parties.captured, n);
    const socket = await dial(parties.target.mqtts, { localAddress: addressOf(n % 100) }).catch(
      () => undefined,
    );
    if (socket === undefined) return;
    const password = await tokenFor(socket, iss, signerOf(parties, iss));
    const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
    socket.write(
      generate({
        cmd: "connect",
        clientId: iss,
        username: iss,
        password,
        protocolId: "MQTT",
        protocolVersion: 4,
        clean: n % 3 !== 0,
        keepalive: 60,
      }),
    );
    socket.resume();
    for (const packet of hostilePackets(iss, PER_CONNECTION, random)) {
      attempt.tried++;
      if (!socket.destroyed) socket.write(packet);
    }
    await Promise.race([closed, delay(ANSWER_MS)]);
    socket.destroy();
  });
};
