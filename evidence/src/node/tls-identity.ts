/**
 * Who is at the other end of a TLS connection, without names, authorities or clocks: the hash of its public key, and a value that only the two ends of
 * this very connection know.
 *
 * @module
 */
import { hash, X509Certificate } from "node:crypto";
import type { TLSSocket } from "node:tls";
import { EvidenceError } from "../errors.ts";

/** Label and length of the TLS exporter for channel binding (RFC 9266 section 2); its context is empty. */
const EXPORTER_LABEL = "EXPORTER-Channel-Binding";
export const EXPORTER_BYTES = 32;

const PIN = /^sha256:[0-9a-f]{64}$/;

/** `sha256:` and the hexadecimal SHA-256 of a certificate's SubjectPublicKeyInfo: it stays the same when the certificate is renewed for the same key. */
export type TlsPin = `sha256:${string}`;

/** @throws EvidenceError `tls-malformed` */
export function parsePin(text: string): TlsPin {
  if (!PIN.test(text))
    throw new EvidenceError("tls-malformed", "a TLS pin is sha256: and 64 hexadecimal digits");
  return text as TlsPin;
}

/**
 * The pin of a certificate.
 *
 * @param certificate - DER or PEM; of a chain in PEM, its first
 * @throws EvidenceError `tls-malformed`
 */
export function pinOf(certificate: Uint8Array | string): TlsPin {
  try {
    const { publicKey } = new X509Certificate(certificate);
    return `sha256:${hash("sha256", publicKey.export({ format: "der", type: "spki" }), "hex")}`;
  } catch (cause) {
    throw new EvidenceError("tls-malformed", "not an X.509 certificate", {}, cause);
  }
}

/** The pin of the certificate that the other end showed; undefined where it showed none. */
export function peerPin(socket: TLSSocket): TlsPin | undefined {
  const { raw } = socket.getPeerCertificate() as { readonly raw?: Uint8Array };
  return raw === undefined ? undefined : pinOf(raw);
}

/** The pin of the certificate that this end showed; undefined where it showed none. */
export function ownPin(socket: TLSSocket): TlsPin | undefined {
  const certificate = socket.getCertificate();
  return certificate !== null && "raw" in certificate ? pinOf(certificate.raw) : undefined;
}

/** 32 bytes that both ends of this connection, and nobody else, can derive (RFC 9266; TLS 1.3). */
export const exporterOf = (socket: TLSSocket): Uint8Array =>
  new Uint8Array(socket.exportKeyingMaterial(EXPORTER_BYTES, EXPORTER_LABEL, Buffer.alloc(0)));
