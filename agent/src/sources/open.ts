/**
 * Every kind of source there is, by name. Each is loaded only when it is configured, with the libraries it needs.
 *
 * @module
 */
import type { Source, SourceContext } from "./source.ts";

/** A serial line. `/dev/serial/by-id/...` names stay; `/dev/ttyUSB0` may be another device tomorrow. */
export type SerialLine = {
  readonly kind: "serial";
  readonly path: string;
  /** 115200 8N1 for DSMR 4 and 5, Belgium and Sweden; 9600 7E1 for DSMR 2.2 and 3. */
  readonly baudRate: number;
  readonly dataBits: 7 | 8;
  readonly parity: "none" | "even" | "odd";
  readonly stopBits: 1 | 2;
  /** Clears the top bit of each byte: for a 7-bit device behind an adapter that hands on 8 bits. */
  readonly stripParity: boolean;
};

/** A serial line behind a TCP socket (ser2net, a P1 dongle). */
export type TcpLine = { readonly kind: "tcp"; readonly host: string; readonly port: number };

export type Line = SerialLine | TcpLine;

/** A smart meter's P1 port. `keepRaw` lets each telegram ride along as received. */
export type P1Options = { readonly kind: "p1"; readonly line: Line; readonly keepRaw: boolean };

/** This machine's own sensors, read every `intervalS` seconds; `diskPath` lies on the disk to watch. */
export type HostOptions = { readonly kind: "host"; readonly intervalS: number; readonly diskPath: string };

export type SourceOptions = P1Options | HostOptions;

/** Makes the source; it opens its device only when its observations are pulled. */
export async function openSource(options: SourceOptions, context: SourceContext): Promise<Source> {
  if (options.kind === "p1") return (await import("./p1/source.ts")).p1Source(options, context);
  return (await import("./host.ts")).hostSource(options, context);
}
