/**
 * An open line to a device, read by pull: nothing is read ahead of the reader but one chunk.
 *
 * @module
 */
import type { Readable } from "node:stream";

/** Bytes read ahead of the reader, at most. */
export const CHUNK_BYTES = 4096;

export type Connection = {
  /** The next bytes. @throws Error saying why, once the line is lost or closed */
  read(): Promise<Uint8Array>;
  /** Gives the device back. Never throws; a read that waits is refused. */
  close(): Promise<void>;
};

/** How to get at a device. */
export type Transport = {
  /** For messages: `tcp 192.0.2.7:2001`, `serial /dev/serial/by-id/…`. */
  readonly place: string;
  /** @throws Error if the device can't be had now; it may be tried again */
  open(signal: AbortSignal): Promise<Connection>;
  /** What went wrong and what to do about it, in words for the person at the gateway. */
  explain(error: unknown): string;
};

/** A connection over a stream that Node reads: a socket, a serial port. `release` gives the device back. */
export function streamConnection(stream: Readable, release: () => Promise<void>): Connection {
  let lost: Error | undefined;
  let wake: (() => void) | undefined;
  const rouse = (): void => {
    wake?.();
    wake = undefined;
  };
  const lose = (error: Error): void => {
    lost ??= error;
    rouse();
  };
  stream.on("readable", rouse);
  stream.on("end", () => lose(new Error("the other side closed the line")));
  stream.on("error", lose);
  // A serial port says here, and only here, that its device is gone.
  stream.on("close", (error?: unknown) =>
    lose(error instanceof Error ? error : new Error("the line was closed")),
  );
  return {
    async read() {
      for (;;) {
        const chunk: unknown = stream.read();
        if (chunk instanceof Uint8Array) return chunk;
        if (lost !== undefined) throw lost;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
    async close() {
      lose(new Error("the line was closed"));
      await release();
    },
  };
}

/** The code that Node gives a system error (`ENOENT`, `ECONNREFUSED`); empty where there is none. */
export const errorCode = (error: unknown): string =>
  error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : "";
