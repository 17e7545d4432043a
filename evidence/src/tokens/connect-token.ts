/**
 * The proof at a connection: a token by which a device shows a broker that its key is at the other end of this very TLS connection. It holds for no other
 * connection and no other listener, so it needs no clock, and whoever sees it has nothing.
 *
 * @module
 */
import { CLAIM, openCwt, sealCwt, type Cwt } from "./cwt.ts";
import { EvidenceError } from "../errors.ts";
import { parseIss } from "../names.ts";
import { Fields } from "../shape.ts";
import type { Signer } from "../keys/signature.ts";

/** Its media type, by which no token of another use can be taken for one. */
const CONNECT_TYP = "application/vnd.tallystick.connect+cwt";

/** The pin of a certificate, as text. */
const PIN = /^sha256:[0-9a-f]{64}$/;
/** Bytes of the exporter (RFC 9266 section 2). */
const EXPORTER_BYTES = 32;

/** What a device says of a connection. */
export type ConnectClaims = {
  /** The device, `org/device`. */
  readonly iss: string;
  /** Pin of the certificate that the broker showed on this connection: `sha256:` and 64 hexadecimal digits. */
  readonly aud: string;
  /** Exporter of this TLS connection (RFC 9266), 32 bytes. */
  readonly exporter: Uint8Array;
};

/** A token of the right form; whether its signature is good is asked of `verifyCwt`. */
export type ConnectToken = ConnectClaims & { readonly cwt: Cwt };

/** Signs the token for one connection. */
export const sealConnectToken = (
  { iss, aud, exporter }: ConnectClaims,
  signer: Signer,
): Promise<Uint8Array> =>
  sealCwt(
    CONNECT_TYP,
    new Map<number, string | Uint8Array>([
      [CLAIM.iss, iss],
      [CLAIM.aud, aud],
      [CLAIM.nonce, exporter],
    ]),
    signer,
  );

/**
 * Reads a token, its form and nothing else.
 *
 * @throws EvidenceError `token-malformed`
 */
export function openConnectToken(bytes: Uint8Array): ConnectToken {
  const cwt = openCwt(bytes, CONNECT_TYP);
  try {
    const fields = new Fields(cwt.claims, "connect token");
    const iss = fields.text(CLAIM.iss);
    parseIss(iss);
    const aud = fields.text(CLAIM.aud, { pattern: PIN });
    const exporter = fields.bytes(CLAIM.nonce, EXPORTER_BYTES);
    fields.end();
    return { iss, aud, exporter, cwt };
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause;
    throw new EvidenceError("token-malformed", `not the claims of a connection: ${cause.message}`, {}, cause);
  }
}
