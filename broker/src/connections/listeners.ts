/**
 * The listeners of the configuration: each connection passes the gate, then TLS and the upgrade to WebSocket where the listener has them, and becomes a
 * stream of MQTT with what is known of its other end.
 *
 * @module
 */
import { constants, X509Certificate } from "node:crypto";
import { createServer, type Server, type Socket } from "node:net";
import type { Duplex } from "node:stream";
import { createServer as createTlsServer, type Server as TlsServer, type TLSSocket } from "node:tls";
import { EvidenceError, type EvidenceCode } from "@tallystick/evidence";
import {
  readTls,
  reloadTls,
  type Timer,
  type TlsFiles,
  type TlsMaterial,
  type TlsPin,
} from "@tallystick/evidence/node";
import type { Config } from "../config.ts";
import type { Gate, Passage } from "./gate.ts";
import { anywhere, listen, loopback, stopListening } from "./listen.ts";
import { securedBy, type Peer } from "./peer.ts";
import { webSocketDoor, type WebSocketDoor } from "./websocket.ts";

/** What a certificate of this broker's says to those who have to know. */
export type Shown = { readonly pin: TlsPin; readonly expiresUnixS: number };

export type ListenersOptions = {
  readonly config: Config;
  readonly gate: Gate;
  readonly timer: Timer;
  /** Given each connection that speaks MQTT from here on. */
  readonly handle: (stream: Duplex, peer: Peer) => void;
  readonly refused: (code: EvidenceCode, address: string) => void;
  /** Told at the start, and whenever the files have changed; the error is why the certificate before goes on. */
  readonly certificate: (outcome: Shown | EvidenceError) => void;
};

export type Listeners = {
  /** Where clients connect, by scheme: `mqtt`, `ws`, `mqtts`, `wss`. */
  readonly urls: Readonly<Record<string, string>>;
  /** Takes no more connections; those there are go on. Resolves when they have ended. */
  close(): Promise<void>;
};

/**
 * Throws where a listener would be reachable from a network without TLS.
 *
 * @throws EvidenceError `address-not-loopback`
 */
export function checkAddresses({ listen: plain, webSocket, tls, http }: Config): void {
  for (const one of [plain, webSocket, http]) if (one !== undefined && one !== false) loopback(one.host);
  for (const one of [tls?.listen, tls?.webSocket]) if (one !== undefined) anywhere(one.host);
}

/** @throws EvidenceError `address-not-loopback`, `address-in-use`, `tls-malformed`, `key-file-mode` */
export async function openListeners(options: ListenersOptions): Promise<Listeners> {
  const { listen: plain, webSocket, tls } = options.config;
  checkAddresses(options.config);
  const urls: Record<string, string> = {};
  const servers: Server[] = [];
  const ends: (() => void)[] = [];
  const close = async (): Promise<void> => {
    for (const end of ends) end();
    await Promise.all(servers.map(stopListening));
  };
  const open = async (
    scheme: "mqtt" | "ws" | "mqtts" | "wss",
    address: { readonly host: string; readonly port: number },
    accept: Accept,
  ): Promise<void> => {
    const server = createServer({ noDelay: true, keepAlive: true }, accept);
    const allowed = scheme === "mqtts" || scheme === "wss" ? anywhere : loopback;
    urls[scheme] = `${scheme}://${await listen(server, address, allowed)}`;
    servers.push(server);
  };
  const doorFor = (origins: readonly string[]): WebSocketDoor => {
    const { maxPayloadBytes } = options.config.limits;
    const door = webSocketDoor({ origins, maxPayloadBytes, refused: (code) => options.refused(code, "") });
    ends.push(() => door.close());
    return door;
  };
  try {
    if (plain !== false) await open("mqtt", plain, plainly(options, plain.auth === "required"));
    if (webSocket !== undefined) {
      const door = doorFor(webSocket.origins);
      await open("ws", webSocket, plainly(options, webSocket.auth === "required", door));
    }
    if (tls !== undefined) {
      const material = readTls(filesOf(tls));
      const mqtts = secureServer(options, tls, material);
      await open("mqtts", tls.listen, mqtts.accept);
      const secured = [mqtts.server];
      if (tls.webSocket !== undefined) {
        const wss = secureServer(options, tls, material, doorFor(tls.webSocket.origins));
        await open("wss", tls.webSocket, wss.accept);
        secured.push(wss.server);
      }
      options.certificate(shown(material));
      ends.push(reload(options, tls, secured));
    }
    return { urls, close };
  } catch (error) {
    await close();
    throw error;
  }
}

type Accept = (socket: Socket) => void;
type Tls = NonNullable<Config["tls"]>;

export const filesOf = ({ cert, key, clientCa }: Tls): TlsFiles => ({
  cert,
  key,
  ...(clientCa !== undefined && { clientCa }),
});

const shown = ({ pin, options }: TlsMaterial): Shown => ({
  pin,
  expiresUnixS: Math.floor(Date.parse(new X509Certificate(String(options.cert)).validTo) / 1000),
});

/** One pair of files stands behind both servers. */
function reload(
  { timer, certificate }: ListenersOptions,
  tls: Tls,
  servers: readonly TlsServer[],
): () => void {
  const files = filesOf(tls);
  return reloadTls(
    { setSecureContext: (context) => servers.forEach((server) => server.setSecureContext(context)) },
    files,
    timer,
    (outcome) => certificate(outcome instanceof EvidenceError ? outcome : shown(readTls(files))),
  );
}

function plainly({ gate, handle }: ListenersOptions, mustProve: boolean, door?: WebSocketDoor): Accept {
  const isTimed = mustProve || door !== undefined;
  return (socket) => {
    const passage = isTimed ? gate.enter(socket) : undefined;
    if (isTimed ? passage === undefined : !gate.enterFreely(socket)) return;
    const { address = "", proved = () => {} } = passage ?? {};
    const peer = { address, mustProve, proved };
    if (door === undefined) handle(socket, peer);
    else door.take(tame(socket), (stream) => handle(stream, peer));
  };
}

/** A server that never listens: it is given the connections that the gate let in. */
function secureServer(
  { config, gate, handle, refused }: ListenersOptions,
  { clientCa }: Tls,
  material: TlsMaterial,
  door?: WebSocketDoor,
): { readonly server: TlsServer; readonly accept: Accept } {
  const { handshakeTimeoutMs } = config.limits;
  const passages = new Map<string, Passage>();
  const asksCertificate = clientCa !== undefined;
  const server = createTlsServer({
    ...material.options,
    // judged at CONNECT: a device may also show a token
    requestCert: asksCertificate,
    rejectUnauthorized: false,
    handshakeTimeout: handshakeTimeoutMs,
    // no session is resumed: each connection shows its certificates, and an authority that was taken away counts no more
    secureOptions: constants.SSL_OP_NO_TICKET,
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    const passage = passages.get(nameOf(socket));
    if (passage === undefined) {
      socket.destroy();
      return;
    }
    const peer = {
      address: passage.address,
      mustProve: true,
      secured: securedBy(socket, asksCertificate),
      proved: passage.proved,
    };
    if (door === undefined) handle(socket, peer);
    else door.take(tame(socket), (stream) => handle(stream, peer));
  });
  server.on("tlsClientError", (error: NodeJS.ErrnoException, socket: TLSSocket) => {
    if (error.code !== "ECONNRESET") refused("tls-handshake", passages.get(nameOf(socket))?.address ?? "");
    socket.destroy();
  });
  const accept = (socket: Socket): void => {
    const passage = gate.enter(socket);
    if (passage === undefined) return;
    tame(socket);
    const name = nameOf(socket);
    passages.set(name, passage);
    socket.once("close", () => passages.delete(name));
    server.emit("connection", socket);
  };
  return { server, accept };
}

/** Both ends' addresses: what a connection and the TLS around it have in common. */
const nameOf = ({ remoteAddress = "", remotePort = 0, localAddress = "" }: Socket): string =>
  `${remoteAddress} ${remotePort} ${localAddress}`;

/** Until somebody takes it over, a connection that breaks is nobody's error. */
const tame = <T extends Socket>(socket: T): T => socket.on("error", () => {});
