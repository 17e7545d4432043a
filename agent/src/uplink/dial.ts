/**
 * The connection under MQTT: TCP on this machine's loopback, TLS 1.3 anywhere else, and the other end checked before a byte is said.
 *
 * A pinned broker is checked by its key: no clock has to be right for that, and no name. Otherwise its certificate has to be good by the ordinary rules.
 *
 * @module
 */
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { connect as connectTcp, isIP, type Socket } from "node:net";
import { connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from "node:tls";
import { EvidenceError } from "@tallystick/evidence";
import { exporterOf, peerPin, type TlsPin } from "@tallystick/evidence/node";
import { staysPrivate } from "./broker-url.ts";

/** Who is believed to be the broker, and what this end shows: PEM files, read anew for each connection. */
export type TlsSettings = {
  readonly pin?: string | readonly string[] | undefined;
  readonly ca?: string | undefined;
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
};

export type Dialled = {
  readonly socket: Socket;
  /** With TLS: what both ends know of this connection, and nobody else. */
  readonly secured?: { readonly pin: TlsPin; readonly exporter: Uint8Array };
};

const MQTT_PORT = 1883;
const MQTTS_PORT = 8883;

/**
 * Connects, within `timeoutMs`, or until `signal` is aborted.
 *
 * @throws EvidenceError `unreachable`; `tls-required` for a network without TLS; `tls-pin` where another key than the pinned one was shown; `tls-handshake`
 *   where the broker's certificate is not good, or it refuses ours; `tls-malformed` where a file can't be read
 */
export async function dial(
  url: string,
  tls: TlsSettings,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Dialled> {
  if (!staysPrivate(url))
    throw new EvidenceError("tls-required", `${url}: beyond this machine only mqtts:// is spoken`);
  const { protocol, hostname, port } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, "$1"); // IPv6: the brackets belong to the URL
  if (protocol !== "mqtts:") {
    const socket = connectTcp({ host, port: Number(port) || MQTT_PORT });
    await until(socket, "connect", timeoutMs, signal).catch((error: unknown) => {
      throw new EvidenceError("unreachable", `${url}: ${reasonOf(error)}`, {}, error);
    });
    return { socket };
  }
  const pins = [tls.pin ?? []].flat();
  const socket = connectTls({
    secureContext: contextOf(tls),
    rejectUnauthorized: pins.length === 0,
    host,
    port: Number(port) || MQTTS_PORT,
    ...(isIP(host) === 0 && { servername: host }),
  });
  await until(socket, "secureConnect", timeoutMs, signal).catch((error: unknown) => {
    throw tlsFault(url, error, socket);
  });
  return { socket, secured: secure(url, socket, pins) };
}

function secure(
  url: string,
  socket: TLSSocket,
  pins: readonly string[],
): { pin: TlsPin; exporter: Uint8Array } {
  const pin = peerPin(socket);
  if (pin !== undefined && (pins.length === 0 || pins.includes(pin)))
    return { pin, exporter: exporterOf(socket) };
  socket.destroy();
  throw new EvidenceError(
    "tls-pin",
    `${url}: what answers there shows the key ${pin ?? "of nobody"}, not the pinned one: if the broker has a new key, set broker.tls.pin; if not, find out who answers`,
  );
}

/**
 * Reads what the configuration names, and tries that it belongs together. Files may be replaced while the agent runs: a half of one is told, and tried again.
 *
 * @throws EvidenceError `tls-malformed`
 */
export function contextOf({ ca, cert, key }: TlsSettings): SecureContext {
  const files = {
    minVersion: "TLSv1.3",
    ...(ca !== undefined && { ca: read(ca) }),
    ...(cert !== undefined && { cert: read(cert) }),
    ...(key !== undefined && { key: read(key) }),
  } as const;
  try {
    // Two of different algorithms OpenSSL would take side by side, and then show neither.
    if (
      files.cert &&
      files.key &&
      !new X509Certificate(files.cert).checkPrivateKey(createPrivateKey(files.key))
    )
      throw new Error("key values mismatch");
    return createSecureContext(files);
  } catch (cause) {
    const names = [ca, cert, key].filter((one) => one !== undefined).join(", ");
    throw new EvidenceError(
      "tls-malformed",
      `${names}: not certificates in PEM, or the key is another one than the certificate's: ${reasonOf(cause)}`,
      {},
      cause,
    );
  }
}

/**
 * What a broker says of this client's certificate. By TLS 1.3 it does so after the handshake, to whoever thinks he is connected (RFC 8446 section 4.4.2.4).
 *
 * @returns undefined where that is not what `error`, of the connection, is about
 */
export function refusedCertificate(url: string, error: unknown): EvidenceError | undefined {
  const { code } = (error ?? {}) as { readonly code?: unknown };
  if (typeof code !== "string" || !/^ERR_SSL_.*ALERT/.test(code)) return undefined;
  const words = code.endsWith("CERTIFICATE_REQUIRED")
    ? "the broker lets nobody in without a client certificate: have one made for this device's key, and set broker.tls.cert and broker.tls.key"
    : `the broker does not take this device's certificate (${reasonOf(error)}): is it of the broker's authority, and is its time not over?`;
  return new EvidenceError("tls-handshake", `${url}: ${words}`, {}, error);
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    throw new EvidenceError("tls-malformed", `${path}: can't read it: ${reasonOf(cause)}`, {}, cause);
  }
}

/** Resolves at the event; rejects with what broke the connection before it. */
function until(socket: Socket, event: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const done = (error?: Error): void => {
      clearTimeout(overdue);
      signal.removeEventListener("abort", givenUp);
      socket.off(event, connected).off("error", done).off("close", closed);
      if (error === undefined) {
        resolve();
        return;
      }
      socket.on("error", () => {}).destroy();
      reject(error);
    };
    const connected = (): void => done();
    const closed = (): void => done(new Error("the connection was closed"));
    const givenUp = (): void => done(new Error("given up"));
    const overdue = setTimeout(() => done(new Error(`no connection within ${timeoutMs} ms`)), timeoutMs);
    socket.once(event, connected).once("error", done).once("close", closed);
    signal.addEventListener("abort", givenUp);
    if (signal.aborted) givenUp();
  });
}

/** Faults of the network are the network's; the others say what is wrong with a certificate. */
function tlsFault(url: string, error: unknown, socket: TLSSocket): EvidenceError {
  const { code } = error as { readonly code?: unknown };
  const reason = reasonOf(error);
  if (socket.authorizationError !== null && socket.authorizationError !== undefined) {
    const advice =
      "set broker.tls.ca to the authority behind it, or broker.tls.pin to its key; dates need a right clock, the pin doesn't";
    return new EvidenceError(
      "tls-handshake",
      `${url}: the broker's certificate is not good: ${reason}: ${advice}`,
      {},
      error,
    );
  }
  const isTls = typeof code === "string" && /^(?:ERR_(?:SSL|TLS|OSSL)|EPROTO)/.test(code);
  return new EvidenceError(isTls ? "tls-handshake" : "unreachable", `${url}: ${reason}`, {}, error);
}

const reasonOf = (error: unknown): string => {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { readonly code?: unknown };
  return error.message || (typeof code === "string" ? code : error.name);
};
