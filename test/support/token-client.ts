/**
 * Clients of a broker over TLS, honest unless a test makes them otherwise: a socket, the token for it, and MQTT on it.
 *
 * @module
 */
import { once } from "node:events";
import { isIP } from "node:net";
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from "node:tls";
import mqtt, { type IClientOptions } from "mqtt";
import { sealConnectToken, type ConnectClaims, type Signer } from "@tallystick/evidence";
import { exporterOf, peerPin } from "@tallystick/evidence/node";

/** @property localAddress - of this machine's loopback: limits by address count it */
export type DialOptions = ConnectionOptions & { readonly localAddress?: string };

/** A TLS connection to whatever certificate is shown. */
export async function dial(url: string, options: DialOptions = {}): Promise<TLSSocket> {
  const { hostname, port } = new URL(url);
  const host = hostname.replace(/^\[|\]$/g, "");
  const socket = connectTls({
    host,
    port: Number(port),
    rejectUnauthorized: false,
    ...(isIP(host) === 0 && { servername: host }),
    ...options,
  });
  await once(socket, "secureConnect");
  socket.on("error", () => {});
  return socket;
}

/** The token of a device for this connection; what is given in `says` is said in place of the truth. */
export async function tokenFor(
  socket: TLSSocket,
  iss: string,
  signer: Signer,
  says: Partial<ConnectClaims> = {},
): Promise<Buffer> {
  const claims = { iss, aud: peerPin(socket) ?? "", exporter: exporterOf(socket), ...says };
  return Buffer.from(await sealConnectToken(claims, signer));
}

/** Speaks MQTT on a socket; resolves once the broker said yes, rejects with what it said otherwise. */
export function speak(socket: TLSSocket, options: IClientOptions): Promise<mqtt.MqttClient> {
  const client = new mqtt.MqttClient(() => socket, {
    protocolId: "MQTT",
    protocolVersion: 4,
    clean: true,
    reconnectPeriod: 0,
    ...options,
  });
  return new Promise((resolve, reject) => {
    client.once("connect", () => resolve(client));
    client.on("error", reject); // stays: an error without a listener ends the process
    client.once("close", () => reject(new Error("closed")));
  });
}

/** A device with its token on a connection of its own. */
export async function device(
  url: string,
  iss: string,
  signer: Signer,
  options: IClientOptions & { readonly from?: string } = {},
): Promise<mqtt.MqttClient> {
  const { from, ...rest } = options;
  const socket = await dial(url, from === undefined ? {} : { localAddress: from });
  const password = await tokenFor(socket, iss, signer);
  return speak(socket, { clientId: iss, username: iss, password, ...rest });
}

/** What CONNACK answers: 0 where the client is let in. */
export async function answerTo(client: Promise<mqtt.MqttClient>): Promise<number | "closed"> {
  try {
    (await client).end(true);
    return 0;
  } catch (error) {
    const { code } = error as { readonly code?: unknown };
    return typeof code === "number" ? code : "closed";
  }
}
