/**
 * CBOR Web Tokens (RFC 8392) by which a key shows that it is there: a COSE_Sign1 around a map of claims, with a `typ` of its own, so that none of them can
 * be taken for a statement or for a token of another use. They are shown once, over one connection, and kept by nobody.
 *
 * @module
 */
import { decodeCbor, encodeCbor, type CborKey, type CborMap, type CborValue } from "../cbor.ts";
import { encodeSign1, parseSign1, toBeSigned, type Sign1 } from "../cose.ts";
import { EvidenceError } from "../errors.ts";
import { ALG_ED25519, ALG_ESP256, type Algorithm, type PublicKey } from "../keys/keys.ts";
import { HASH_BYTES } from "../sha256.ts";
import { Fields } from "../shape.ts";
import type { SignatureProvider, Signer } from "../keys/signature.ts";

/** Labels of the protected header. */
const ALG = 1;
const KID = 4;
const TYP = 16;

/** Longest token, bytes: it travels as an MQTT password. */
export const MAX_CWT_BYTES = 2048;

/** Claims that the tokens here have in common (RFC 8392 section 3.1, RFC 8747 section 3.1, RFC 9711 section 4.1). */
export const CLAIM = { iss: 1, aud: 3, cti: 7, cnf: 8, nonce: 10 } as const;

/** A token whose form was checked; whether its signature is good is asked of {@link verifyCwt}. */
export type Cwt = {
  readonly alg: Algorithm;
  /** The key that it names as its signer. */
  readonly kid: Uint8Array;
  readonly claims: CborMap;
  readonly sign1: Pick<Sign1, "protectedBytes" | "payload" | "signature">;
};

/**
 * Signs claims as a token of one type.
 *
 * @param typ - media type of the whole, which names its use
 */
export async function sealCwt(
  typ: string,
  claims: ReadonlyMap<CborKey, CborValue>,
  signer: Signer,
): Promise<Uint8Array> {
  const protectedBytes = encodeCbor(
    new Map<CborKey, CborValue>([
      [ALG, signer.key.alg],
      [KID, signer.key.kid],
      [TYP, typ],
    ]),
  );
  const payload = encodeCbor(new Map(claims));
  const signature = await signer.sign(toBeSigned(protectedBytes, payload));
  return encodeSign1({ protectedBytes, unprotected: new Map(), payload, signature });
}

/**
 * Reads a token of the type that is expected here.
 *
 * @throws EvidenceError `token-malformed` for whatever is no such token, CBOR and size included
 */
export function openCwt(bytes: Uint8Array, typ: string): Cwt {
  try {
    const { header, unprotected, payload, protectedBytes, signature } = parseSign1(bytes, MAX_CWT_BYTES);
    const fields = new Fields(header, "token header");
    const alg = fields.literal(ALG, [ALG_ED25519, ALG_ESP256]);
    const kid = fields.bytes(KID, HASH_BYTES);
    fields.literal(TYP, [typ]);
    fields.end();
    if (unprotected.size > 0)
      throw new EvidenceError("cose-unprotected", "a token has no unprotected header");
    if (payload === null) throw new EvidenceError("cose-malformed", "a token carries its claims");
    const claims = decodeCbor(payload, { maxBytes: MAX_CWT_BYTES, deterministic: true });
    if (!(claims instanceof Map)) throw new EvidenceError("member-type", "the claims of a token are a map");
    return { alg, kid, claims: claims as CborMap, sign1: { protectedBytes, payload, signature } };
  } catch (cause) {
    const reason = cause instanceof EvidenceError ? cause.message : "unreadable";
    throw new EvidenceError("token-malformed", `not a token of type ${typ}: ${reason}`, {}, cause);
  }
}

/** @throws EvidenceError `key-mismatch` where `key` is not the one that the token names, `signature-invalid` */
export function verifyCwt({ alg, kid, sign1 }: Cwt, key: PublicKey, provider: SignatureProvider): void {
  const named = alg === key.alg && kid.every((byte, i) => byte === key.kid[i]);
  if (!named) throw new EvidenceError("key-mismatch", "the token names another key");
  const message = toBeSigned(sign1.protectedBytes, sign1.payload ?? new Uint8Array());
  if (!provider.verify(key, message, sign1.signature))
    throw new EvidenceError("signature-invalid", "the token's signature does not verify");
}
