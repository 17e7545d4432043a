/**
 * What is known of the other end of a connection before it has said anything.
 *
 * @module
 */
import type { TLSSocket } from "node:tls";
import { exporterOf, ownPin, type TlsPin } from "@tallystick/evidence/node";

/** What a TLS connection says of its two ends; asked for when somebody wants to prove something. */
export type Secured = {
  /** Pin of the certificate that this broker showed. */
  readonly pin: () => TlsPin | undefined;
  readonly exporter: () => Uint8Array;
  /** Common name of a client certificate that one of the configured authorities signed; undefined where there is none. */
  readonly commonName: () => string | undefined;
};

export type Peer = {
  /** As limits count it and log lines name it; empty on a listener that asks nobody who he is. */
  readonly address: string;
  /** False on loopback where the configuration says so: whoever can open the port may take any client id. */
  readonly mustProve: boolean;
  /** Absent without TLS. */
  readonly secured?: Secured;
  /** Called once the client has shown who it is. */
  readonly proved: () => void;
};

/** @param asksCertificate - whether the listener asked for a client certificate, and had authorities to check it by */
export const securedBy = (socket: TLSSocket, asksCertificate: boolean): Secured => ({
  pin: () => ownPin(socket),
  exporter: () => exporterOf(socket),
  commonName() {
    if (!asksCertificate || !socket.authorized) return undefined;
    const shown = socket.getPeerCertificate() as { readonly subject?: { readonly CN?: unknown } } | null;
    const commonName = shown?.subject?.CN; // null once the connection is gone
    // several common names come as a list: that is nobody's name
    return typeof commonName === "string" ? commonName : undefined;
  },
});
