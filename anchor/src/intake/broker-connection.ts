/**
 * How to reach the broker: the configuration with its files read, and the connection over TLS.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { isIP, Socket } from "node:net";
import { connect, type ConnectionOptions } from "node:tls";
import { EvidenceError } from "@tallystick/evidence";
import { peerPin } from "@tallystick/evidence/node";
import type { Config } from "../config.ts";
import type { Connection } from "./intake.ts";

const MQTTS_PORT = 8883;

/** @throws EvidenceError `key-file-unreadable` where a named file can't be read */
export function connectionOf(broker: Config["broker"]): Connection {
  const { url, clientId, settleMs, maxUnacknowledged, maxUnacknowledgedBytes, passwordFile, tls } = broker;
  const password = passwordFile === undefined ? undefined : firstLine(read(passwordFile));
  // a password goes with a name [MQTT-3.1.2-22]
  const username = broker.username ?? (password === undefined ? undefined : clientId);
  optionsOf(tls); // a file that can't be read is told at the start
  return {
    url,
    clientId,
    settleMs,
    maxUnacknowledged,
    maxUnacknowledgedBytes,
    ...(username !== undefined && { username }),
    ...(password !== undefined && { password }),
    ...(url.startsWith("mqtts:") && { open: () => open(url, tls) }),
  };
}

type TlsSettings = Config["broker"]["tls"];

/**
 * A connection to the broker over TLS 1.3. What is written to it leaves only once the broker has shown the pinned key or a good certificate; if it shows
 * another, the connection ends with the reason.
 */
function open(url: string, tls: TlsSettings): Socket {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[(.*)\]$/, "$1");
  const pins = [tls.pin ?? []].flat();
  let options: ConnectionOptions;
  try {
    options = optionsOf(tls); // read anew for each connection: certificates are renewed while the anchor runs
  } catch (error) {
    return new Socket().destroy(error instanceof Error ? error : undefined);
  }
  const name = isIP(host) === 0 ? { servername: host } : {};
  const socket = connect({ ...options, host, port: Number(port) || MQTTS_PORT, ...name });
  socket.cork(); // the first packet holds the secret
  socket.once("secureConnect", () => {
    const pin = peerPin(socket);
    if (pins.length > 0 && (pin === undefined || !pins.includes(pin))) socket.destroy(wrongPin(pin));
    else socket.uncork();
  });
  return socket;
}

const wrongPin = (pin = "of nobody"): EvidenceError =>
  new EvidenceError(
    "tls-pin",
    `what answers there shows the key ${pin}, not the pinned one: if the broker has a new key, set broker.tls.pin; if not, find out who answers`,
  );

function optionsOf({ pin, ca, cert, key }: TlsSettings): ConnectionOptions {
  return {
    minVersion: "TLSv1.3",
    rejectUnauthorized: pin === undefined,
    ...(ca !== undefined && { ca: read(ca) }),
    ...(cert !== undefined && { cert: read(cert) }),
    ...(key !== undefined && { key: read(key) }),
  };
}

function read(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new EvidenceError("key-file-unreadable", `${path}: can't read it: ${reason}`, {}, cause);
  }
}

const firstLine = (text: string): string => text.split("\n")[0] ?? "";
