/**
 * A key pair as a token describes it: curve and point out of their DER.
 *
 * @module
 */

export type KeyType = "p256" | "ed25519";

/** A key pair as the token describes it. */
export type TokenKey = {
  readonly type: KeyType;
  /** P-256: x and y; Ed25519: the 32 bytes. */
  readonly point: Uint8Array;
  readonly label: string;
  /** CKA_ID, hexadecimal. */
  readonly id: string;
  /** Model of the token, as it says. */
  readonly model: string;
  /** The token says that it never gave the private key out, and never will (CKA_SENSITIVE, CKA_NEVER_EXTRACTABLE). */
  readonly isSealed: boolean;
};

/** DER of the curves' names in CKA_EC_PARAMS: prime256v1; Ed25519 as an object identifier, and as older modules say it, a printable string. */
export const P256_PARAMS = Buffer.from("06082a8648ce3d030107", "hex");
export const ED25519_OID = Buffer.from("06032b6570", "hex");
const ED25519_NAME = Buffer.from("130c656477617264733235353139", "hex");

/** Undefined for another curve. */
export function typeOf(params: Buffer | undefined): KeyType | undefined {
  if (params?.equals(P256_PARAMS) === true) return "p256";
  return params?.equals(ED25519_OID) === true || params?.equals(ED25519_NAME) === true
    ? "ed25519"
    : undefined;
}

/** The point out of its DER octet string (PKCS#11 2.40 section 2.3.3); some modules leave the string away. */
export function pointOf(type: KeyType, bytes: Buffer | undefined): Uint8Array | undefined {
  const length = type === "p256" ? 65 : 32;
  const point =
    bytes?.length === length + 2 && bytes[0] === 4 && bytes[1] === length ? bytes.subarray(2) : bytes;
  if (point?.length !== length) return undefined;
  if (type === "ed25519") return new Uint8Array(point);
  return point[0] === 4 ? new Uint8Array(point.subarray(1)) : undefined; // SEC 1 section 2.3.3: uncompressed
}

export const nameOf = ({ type, point }: Pick<TokenKey, "type" | "point">): string =>
  `${type} ${Buffer.from(point).toString("hex")}`;
