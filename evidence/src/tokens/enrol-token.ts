/**
 * The request of a device that enrols: a token by which it shows, over this very TLS connection, that it has the new key and an invite for it. Whoever sees it
 * on the way has nothing: it holds for no other connection and no other anchor.
 *
 * @module
 */
import { type CborKey, type CborValue } from "../cbor.ts";
import { CLAIM, openCwt, sealCwt, type Cwt } from "./cwt.ts";
import { EvidenceError } from "../errors.ts";
import { INVITE_ID_BYTES, INVITE_SECRET_BYTES } from "./invite.ts";
import { coseKey, parseCoseKey, type PublicKey } from "../keys/keys.ts";
import { isOperator } from "../names.ts";
import { HASH_BYTES } from "../sha256.ts";
import { Fields } from "../shape.ts";
import type { Signer } from "../keys/signature.ts";

/** Its media type, by which no token of another use can be taken for one. */
const ENROL_TYP = "application/vnd.tallystick.enrol+cwt";

const SECRET = "secret";
const MACHINE = "machine";
/** Confirmation by a key itself (RFC 8747 section 3.2). */
const CNF_COSE_KEY = 1;
const PIN = /^sha256:[0-9a-f]{64}$/;
/** Bytes of the exporter (RFC 9266 section 2). */
const EXPORTER_BYTES = 32;

/** What a device says of itself and of the connection. */
export type EnrolClaims = {
  /** The device, `org/device`. */
  readonly iss: string;
  /** Pin of the certificate that the anchor showed on this connection. */
  readonly aud: string;
  /** Exporter of this TLS connection (RFC 9266), 32 bytes. */
  readonly exporter: Uint8Array;
  /** Id and secret of the invite. */
  readonly invite: Uint8Array;
  readonly secret: Uint8Array;
  /** SHA-256 of the machine's id, where the enrolment is bound to one. */
  readonly machine?: Uint8Array;
};

/** A request of the right form; whether its signature is good is asked of `verifyCwt`, with its own key. */
export type EnrolRequest = EnrolClaims & { readonly key: PublicKey; readonly cwt: Cwt };

/** Signs the request for one connection, with the key that is to be enrolled. */
export const sealEnrolRequest = (claims: EnrolClaims, signer: Signer): Promise<Uint8Array> =>
  sealCwt(
    ENROL_TYP,
    new Map<CborKey, CborValue>([
      [CLAIM.iss, claims.iss],
      [CLAIM.aud, claims.aud],
      [CLAIM.cti, claims.invite],
      [CLAIM.cnf, new Map([[CNF_COSE_KEY, coseKey(signer.key)]])],
      [CLAIM.nonce, claims.exporter],
      [SECRET, claims.secret],
      ...(claims.machine === undefined ? [] : [[MACHINE, claims.machine] as const]),
    ]),
    signer,
  );

/**
 * Reads a request, its form and nothing else.
 *
 * @throws EvidenceError `token-malformed`
 */
export function openEnrolRequest(bytes: Uint8Array): EnrolRequest {
  const cwt = openCwt(bytes, ENROL_TYP);
  try {
    const fields = new Fields(cwt.claims, "request");
    const iss = fields.text(CLAIM.iss);
    if (isOperator(iss)) throw new EvidenceError("name-malformed", "`operator` is no device's name");
    const cnf = new Fields(fields.value(CLAIM.cnf), "cnf");
    const key = parseCoseKey(cnf.value(CNF_COSE_KEY));
    cnf.end();
    const machine = fields.optional(MACHINE, (name) => fields.bytes(name, HASH_BYTES));
    const request = {
      iss,
      aud: fields.text(CLAIM.aud, { pattern: PIN }),
      exporter: fields.bytes(CLAIM.nonce, EXPORTER_BYTES),
      invite: fields.bytes(CLAIM.cti, INVITE_ID_BYTES),
      secret: fields.bytes(SECRET, INVITE_SECRET_BYTES),
      ...(machine !== undefined && { machine }),
      key,
      cwt,
    };
    fields.end();
    return request;
  } catch (cause) {
    if (!(cause instanceof EvidenceError)) throw cause;
    throw new EvidenceError("token-malformed", `not the claims of an enrolment: ${cause.message}`, {}, cause);
  }
}
