/**
 * Connections by the thousand, and connections that never get anywhere.
 *
 * @module
 */
import { connect, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import { connect as connectTls } from "node:tls";
import { addressOf, inLanes, nth, type Attack } from "../attack.ts";

const LANES = 100;
/** Addresses that they come from. */
const ADDRESSES = 5;
/** Of one address some 64 may show nothing; more addresses fill what all together may have. */
const DRIP_ADDRESSES = 12;
const DRIPS = 600;
const DRIP_MS = 100;

/** The beginning of a ClientHello; half of them say it all. */
const HELLO = Buffer.from("160301020001000001fc0303", "hex");

const portOf = (url: string): number => Number(new URL(url).port);

function open(port: number, from: string): Socket {
  const socket = connect({ port, host: "127.0.0.1", localAddress: from });
  return socket.on("error", () => {});
}

/** 5,000 attempts: bare, with half a handshake, with a whole one and nothing after it. */
export const attempts: Attack = async ({ target }, { times }, attempt) => {
  const ports = [portOf(target.mqtts), portOf(target.wss)];
  await inLanes(5000 * times, LANES, async (n) => {
    attempt.tried++;
    const port = nth(ports, n);
    const from = addressOf(n % ADDRESSES);
    const socket =
      n % 4 === 3
        ? connectTls({ port, host: "127.0.0.1", localAddress: from, rejectUnauthorized: false } as object).on(
            "error",
            () => {},
          )
        : open(port, from);
    if (n % 4 === 1) socket.write(HELLO);
    if (n % 4 === 2) socket.write("\x10\x0c\0\x04MQTT\x04\0\0\x3c\0\0");
    await Promise.race([
      new Promise<void>((resolve) => socket.once(n % 4 === 3 ? "secureConnect" : "connect", () => resolve())),
      new Promise<void>((resolve) => socket.once("close", () => resolve())),
    ]);
    socket.destroy();
  });
};

/** Hundreds that drip a byte at a time: into the handshake, after it, into the upgrade; as many again as are cut off. */
export const slowLoris: Attack = async ({ target }, { seconds }, attempt) => {
  const endMs = performance.now() + seconds * 1000;
  const one = async (n: number): Promise<void> => {
    while (performance.now() < endMs) {
      attempt.tried++;
      const from = addressOf(n % DRIP_ADDRESSES);
      const isTls = n % 3 !== 0;
      const port = portOf(n % 3 === 2 ? target.wss : target.mqtts);
      const socket = isTls
        ? connectTls({ port, host: "127.0.0.1", localAddress: from, rejectUnauthorized: false } as object)
        : open(port, from);
      socket.on("error", () => {}).resume();
      const words =
        n % 3 === 2 ? "GET /mqtt HTTP/1.1\r\nHost: x\r\n" : isTls ? "\x10\x7f" : HELLO.toString("latin1");
      for (let at = 0; !socket.destroyed && performance.now() < endMs; at++) {
        socket.write(Buffer.from(words[at] ?? "x", "latin1"));
        await delay(DRIP_MS);
      }
      socket.destroy();
      await delay(DRIP_MS);
    }
  };
  await Promise.all(Array.from({ length: DRIPS }, (_, n) => one(n)));
};
