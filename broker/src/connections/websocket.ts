/**
 * MQTT in WebSocket frames (MQTT 3.1.1 section 6; RFC 6455): the upgrade, and a stream of what the frames hold.
 *
 * The frames' sizes and numbers are bounded here; what is in them goes through the same guard as any connection's bytes. A browser tells whose page wants
 * the connection (`Origin`), and any page may ask for one: so none is let in but those of the configuration.
 *
 * @module
 */
import { createServer, type IncomingMessage } from "node:http";
import type { Duplex } from "node:stream";
import { createWebSocketStream, WebSocketServer, type ServerOptions, type WebSocket } from "ws";
import type { EvidenceCode } from "@tallystick/evidence";

export type WebSocketOptions = {
  readonly origins: readonly string[];
  /** Payload of an MQTT message. */
  readonly maxPayloadBytes: number;
  readonly refused: (code: EvidenceCode) => void;
};

const PATH = "/mqtt";
const SUBPROTOCOL = "mqtt";

/** A message may hold several packets; a client has no reason to collect more. */
const MAX_PACKETS_BYTES = 2;
/** Topic and header of a packet. */
const MAX_HEAD_BYTES = 1024;
/** Frames of one message, and reads that one frame may need: each is bookkeeping. */
const MAX_PIECES = 1024;
/** Answers to pings that wait to be taken: a client that takes none gets none. */
const MAX_PONG_BYTES = 4096;
const MAX_REQUEST_BYTES = 8192;
const CLOSE_TIMEOUT_MS = 1000;

/** With what the library's types don't know yet. */
type BoundedOptions = ServerOptions & {
  readonly maxFragments: number;
  readonly maxBufferedChunks: number;
  readonly closeTimeout: number;
};

/** Takes over connections on which a WebSocket is asked for. */
export type WebSocketDoor = {
  /** @param opened - given the stream once the client was answered */
  take(socket: Duplex, opened: (stream: Duplex) => void): void;
  close(): void;
};

export function webSocketDoor({ origins, maxPayloadBytes, refused }: WebSocketOptions): WebSocketDoor {
  const waiting = new WeakMap<Duplex, (stream: Duplex) => void>();
  const options: BoundedOptions = {
    noServer: true,
    clientTracking: false,
    perMessageDeflate: false, // a small frame of it can be a large message
    skipUTF8Validation: true, // no text is taken
    autoPong: false,
    maxPayload: MAX_PACKETS_BYTES * (maxPayloadBytes + MAX_HEAD_BYTES),
    maxFragments: MAX_PIECES,
    maxBufferedChunks: MAX_PIECES,
    closeTimeout: CLOSE_TIMEOUT_MS,
    handleProtocols: () => SUBPROTOCOL,
  };
  const sockets = new WebSocketServer(options);
  const refuse = (socket: Duplex, status: string): void => {
    refused("websocket-malformed");
    socket.on("error", () => {});
    socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS).unref();
  };
  const server = createServer(
    { maxHeaderSize: MAX_REQUEST_BYTES, insecureHTTPParser: false },
    (request, response) => {
      refused("websocket-malformed");
      response.writeHead(426, { connection: "close", upgrade: "websocket" }).end();
      request.socket.destroySoon();
    },
  );
  server.on("clientError", (error: NodeJS.ErrnoException, socket) => {
    if (error.code === "ECONNRESET" || !socket.writable) socket.destroy();
    else refuse(socket, "400 Bad Request");
  });
  server.on("upgrade", (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    const opened = waiting.get(socket);
    if (opened === undefined) {
      socket.destroy();
      return;
    }
    const fault = faultOf(request, origins);
    if (fault !== undefined) {
      refuse(socket, fault);
      return;
    }
    sockets.handleUpgrade(request, socket, head, (webSocket) => opened(streamOf(webSocket, refused)));
  });
  sockets.on("wsClientError", (_error, socket) => refuse(socket, "400 Bad Request"));
  return {
    take(socket, opened) {
      waiting.set(socket, opened);
      server.emit("connection", socket);
    },
    close() {
      sockets.close();
      server.close();
    },
  };
}

/** The status of the refusal, or undefined for a request that is good. */
function faultOf({ url, headers }: IncomingMessage, origins: readonly string[]): string | undefined {
  if (url?.split("?")[0] !== PATH) return "404 Not Found";
  const { origin } = headers;
  if (origin !== undefined && !origins.includes(origin)) return "403 Forbidden";
  const offered = (headers["sec-websocket-protocol"] ?? "").split(",").map((one) => one.trim());
  return offered.includes(SUBPROTOCOL) ? undefined : "400 Bad Request";
}

function streamOf(webSocket: WebSocket, refused: (code: EvidenceCode) => void): Duplex {
  const stream = createWebSocketStream(webSocket, {
    // what is written together is one frame: a packet comes in pieces
    writev(pieces, done) {
      webSocket.send(Buffer.concat(pieces.map(({ chunk }) => chunk as Buffer)), done);
    },
  });
  webSocket.on("error", ({ code }: Error & { readonly code?: string }) => {
    if (code === "WS_ERR_UNSUPPORTED_MESSAGE_LENGTH") refused("too-large");
    else if (code?.startsWith("WS_ERR_") === true) refused("websocket-malformed");
  });
  webSocket.prependListener("message", (_data, isBinary) => {
    if (isBinary) return; // [MQTT-6.0.0-1]: binary frames
    refused("websocket-malformed");
    stream.destroy();
  });
  webSocket.on("ping", (data: Buffer) => {
    if (webSocket.bufferedAmount < MAX_PONG_BYTES) webSocket.pong(data);
  });
  return stream;
}
