/**
 * A device on a serial line. The library, and the native code it brings, are loaded only here.
 *
 * @module
 */
import type { SerialPort } from "serialport";
import type { SerialLine } from "../open.ts";
import { CHUNK_BYTES, streamConnection, type Connection, type Transport } from "./connection.ts";

export function serialTransport(line: SerialLine): Transport {
  return {
    place: `serial ${line.path}`,
    open: async () => {
      const port = await openPort(line);
      const connection = streamConnection(port, () => closePort(port));
      return line.stripParity ? withoutParity(connection) : connection;
    },
    explain,
  };
}

async function openPort({ path, baudRate, dataBits, parity, stopBits }: SerialLine): Promise<SerialPort> {
  const { SerialPort } = await import("serialport");
  const port = new SerialPort({
    path,
    baudRate,
    dataBits,
    parity,
    stopBits,
    autoOpen: false,
    highWaterMark: CHUNK_BYTES,
  });
  await new Promise<void>((resolve, reject) => {
    port.open((error) => (error === null ? resolve() : reject(error)));
  });
  return port;
}

/** A port whose device vanished is closed already. */
const closePort = (port: SerialPort): Promise<void> =>
  new Promise((resolve) => {
    if (port.isOpen) port.close(() => resolve());
    else resolve();
  });

/** For a 7-bit device behind an adapter that hands on the parity as eighth bit. */
const withoutParity = (connection: Connection): Connection => ({
  read: async () => (await connection.read()).map((byte) => byte & 0x7f),
  close: () => connection.close(),
});

// The binding gives no error codes, but these words of the C library.
const EXPLANATIONS: readonly (readonly [RegExp, string])[] = [
  [/no such file/i, "no such device: check the cable, and take the name from /dev/serial/by-id/"],
  [
    /permission denied/i,
    "permission denied: put the agent's user into the group that owns the device (often dialout)",
  ],
  [
    /lock|busy|temporarily unavailable/i,
    "busy: another program has it open; stop that, or give the agent another port",
  ],
  [/not a tty|inappropriate ioctl|custom baud|cannot get|unable to/i, "not a serial device: check the path"],
];

function explain(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const known = EXPLANATIONS.find(([pattern]) => pattern.test(text));
  return known?.[1] ?? `${text}: check the cable and the adapter`;
}
