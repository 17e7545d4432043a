/**
 * A meter of just ten registers, as DSMR telegrams; once in memory, once on a TCP port.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { crc16 } from "../agent/src/sources/p1/crc.ts";

/** OBIS code, unit, digits before and after the point, first value, rise a second; in the smallest unit that the digits show. */
const REGISTERS: readonly (readonly [string, string, number, number, number, number])[] = [
  ["1-0:1.8.1", "kWh", 6, 3, 4_271_338, 1],
  ["1-0:1.8.2", "kWh", 6, 3, 3_906_102, 0],
  ["1-0:2.8.1", "kWh", 6, 3, 118_204, 0],
  ["1-0:2.8.2", "kWh", 6, 3, 305_977, 0],
  ["1-0:3.8.0", "kvarh", 6, 3, 77_321, 2],
  ["1-0:4.8.0", "kvarh", 6, 3, 9021, 0],
  ["1-0:1.7.0", "kW", 2, 3, 3120, 0],
  ["1-0:32.7.0", "V", 3, 1, 2312, 0],
  ["1-0:52.7.0", "V", 3, 1, 2298, 0],
  ["1-0:72.7.0", "V", 3, 1, 2305, 0],
];

export const REGISTER_COUNT = REGISTERS.length;

const digits = (value: number, whole: number, fraction: number): string => {
  const text = String(value).padStart(whole + fraction, "0");
  return `${text.slice(0, -fraction)}.${text.slice(-fraction)}`;
};

/** The telegram of one moment: ten readings, each with the telegram's time. */
export function telegramAt(timeUnixS: number): Buffer {
  const passed = timeUnixS % 1_000_000;
  const stamp = new Date((timeUnixS + 3600) * 1000).toISOString().slice(2, 19).replace(/[-:T]/g, "");
  const lines = [
    "/BEN5\\2BENCH",
    "",
    `0-0:1.0.0(${stamp}W)`,
    ...REGISTERS.map(([code, unit, whole, fraction, first, rise]) => {
      return `${code}(${digits(first + rise * passed, whole, fraction)}*${unit})`;
    }),
    "!",
  ];
  const body = Buffer.from(lines.join("\r\n"), "latin1");
  const crc = crc16(body).toString(16).toUpperCase().padStart(4, "0");
  return Buffer.concat([body, Buffer.from(`${crc}\r\n`, "latin1")]);
}

/** Serves a telegram a second on a free port of 127.0.0.1. */
export async function startMeter(): Promise<{ port: number; stop(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    socket.on("error", () => socket.destroy());
    socket.resume();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const timer = setInterval(() => {
    const bytes = telegramAt(Math.floor(Date.now() / 1000));
    for (const socket of sockets) socket.write(bytes);
  }, 1000);
  return {
    port: (server.address() as AddressInfo).port,
    async stop() {
      clearInterval(timer);
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
