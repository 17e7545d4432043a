/**
 * A device behind a TCP socket: ser2net, a P1 dongle, a converter on the rail.
 *
 * @module
 */
import { connect, type TcpNetConnectOpts } from "node:net";
import type { TcpLine } from "../open.ts";
import { CHUNK_BYTES, errorCode, streamConnection, type Connection, type Transport } from "./connection.ts";

const CONNECT_TIMEOUT_MS = 10_000;
/** A peer that lost its power says nothing: keep-alive probes find it out. */
const KEEP_ALIVE_MS = 30_000;

export function tcpTransport({ host, port }: TcpLine): Transport {
  return {
    place: `tcp ${host}:${port}`,
    open: (signal) => open(host, port, signal),
    explain,
  };
}

function open(host: string, port: number, signal: AbortSignal): Promise<Connection> {
  // The socket hands the mark on to its stream: Node then stops reading while nobody takes the bytes.
  const options: TcpNetConnectOpts & { readableHighWaterMark: number } = {
    host,
    port,
    keepAlive: true,
    keepAliveInitialDelay: KEEP_ALIVE_MS,
    readableHighWaterMark: CHUNK_BYTES,
  };
  return new Promise((resolve, reject) => {
    const socket = connect(options);
    const fail = (error: Error): void => {
      signal.removeEventListener("abort", onAbort);
      socket.destroy();
      reject(error);
    };
    const onAbort = (): void => fail(new Error("stopped"));
    const onTimeout = (): void => fail(Object.assign(new Error("no answer"), { code: "ETIMEDOUT" }));
    signal.addEventListener("abort", onAbort, { once: true });
    socket.setTimeout(CONNECT_TIMEOUT_MS, onTimeout);
    socket.once("error", fail);
    socket.once("connect", () => {
      signal.removeEventListener("abort", onAbort);
      socket.setTimeout(0);
      socket.off("timeout", onTimeout).off("error", fail);
      resolve(
        streamConnection(socket, () => {
          socket.destroy();
          return Promise.resolve();
        }),
      );
    });
    if (signal.aborted) onAbort();
  });
}

function explain(error: unknown): string {
  switch (errorCode(error)) {
    case "ECONNREFUSED":
      return "connection refused: check the port, and that nothing else is connected to the adapter";
    case "ENOTFOUND":
    case "EAI_AGAIN":
      return "no such host: check the name, or give the address";
    case "EHOSTUNREACH":
    case "ENETUNREACH":
    case "ETIMEDOUT":
      return "no answer: check that the adapter has power and is on this network";
    default:
      return `${error instanceof Error ? error.message : String(error)}: check the adapter and the network`;
  }
}
