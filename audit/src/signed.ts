/**
 * What an auditor signs (RFC 9052 section 4.2): a COSE_Sign1 with Ed25519, whose header names the key, the signer by the name in its verifier key, and by `typ` what
 * it is a signature under, so that it can be taken for nothing else.
 *
 * @module
 */
import {
  ALG_ED25519,
  ed25519Key,
  encodeCbor,
  encodeSign1,
  equalBytes,
  EvidenceError,
  Fields,
  HASH_BYTES,
  isKeyName,
  NOTE_ED25519,
  parseSign1,
  parseVkey,
  toBeSigned,
  type CborKey,
  type CborValue,
  type PublicKey,
  type SignatureProvider,
  type Signer,
  type Sign1,
} from "@tallystick/evidence";

const [ALG, KID, CWT_CLAIMS] = [1, 4, 15];
export const TYP = 16;
const ISS = 1;
/** When it was signed: a claim by the signer's own clock, or as he gave it. */
export const IAT = 6;

/** A key that is trusted as an auditor's, by its verifier key. */
export type Auditor = { readonly name: string; readonly key: PublicKey; readonly vkey: string };

/** Bytes with their signature; whether that is good is asked of {@link isSignedBy}. */
export type Signed<T> = {
  /** The name in the signer's verifier key. */
  readonly name: string;
  readonly kid: Uint8Array;
  /** What he claims besides. */
  readonly claims: T;
  readonly payload: Uint8Array;
  readonly sign1: Sign1;
};

/** @throws EvidenceError `vkey-malformed`, also for a witness's key */
export function parseAuditor(text: string): Auditor {
  const { name, publicKey, type } = parseVkey(text);
  if (type !== NOTE_ED25519) throw new EvidenceError("vkey-malformed", "an auditor's key is of type 01");
  return { name, key: ed25519Key(publicKey), vkey: text };
}

/**
 * @param typ - what the payload is
 * @param claims - what the signer claims besides his name
 * @throws EvidenceError `key-malformed` for a key that isn't Ed25519, `member-range` for a name that a verifier key can't have
 */
export async function sealAs(
  typ: string,
  payload: Uint8Array,
  { name, claims }: { readonly name: string; readonly claims: ReadonlyMap<CborKey, CborValue> },
  signer: Signer,
): Promise<Uint8Array> {
  if (signer.key.alg !== ALG_ED25519)
    throw new EvidenceError("key-malformed", "an auditor signs with Ed25519");
  checkName(name);
  const protectedBytes = encodeCbor(
    new Map<CborKey, CborValue>([
      [ALG, ALG_ED25519],
      [KID, signer.key.kid],
      [CWT_CLAIMS, new Map<CborKey, CborValue>([[ISS, name], ...claims])],
      [TYP, typ],
    ]),
  );
  const signature = await signer.sign(toBeSigned(protectedBytes, payload));
  return encodeSign1({ protectedBytes, unprotected: new Map(), payload, signature });
}

/**
 * Takes signed bytes apart, strictly; the signature is not checked, nor is what they say.
 *
 * @param read - reads the claims beside the name; none may be left
 * @throws EvidenceError `too-large`, `cose-malformed`, `cose-unprotected`, `cose-algorithm`, `member-range`, a code of a closed shape or of CBOR
 */
export function openAs<T>(
  typ: string,
  bytes: Uint8Array,
  maxBytes: number,
  read: (claims: Fields) => T,
): Signed<T> {
  const sign1 = parseSign1(bytes, maxBytes);
  if (sign1.unprotected.size > 0)
    throw new EvidenceError("cose-unprotected", "the unprotected header of a signature is empty");
  const { payload } = sign1;
  if (payload === null) throw new EvidenceError("cose-malformed", "the payload is detached");
  const fields = new Fields(sign1.header, "header");
  if (fields.int(ALG) !== ALG_ED25519)
    throw new EvidenceError("cose-algorithm", "an auditor signs with Ed25519 (-19)");
  fields.literal(TYP, [typ]);
  const kid = fields.bytes(KID, HASH_BYTES);
  const named = new Fields(fields.value(CWT_CLAIMS), "claims");
  const name = named.text(ISS);
  const claims = read(named);
  named.end();
  fields.end();
  checkName(name);
  return { name, kid, claims, payload, sign1 };
}

function checkName(name: string): void {
  if (!isKeyName(name)) throw new EvidenceError("member-range", "a signer's name has no spaces and no plus");
}

/** The auditor that signed, as the bytes say: of this key and this name. */
export const auditorOf = (
  { kid, name }: Pick<Signed<unknown>, "kid" | "name">,
  auditors: readonly Auditor[],
): Auditor | undefined => auditors.find((one) => one.name === name && equalBytes(one.key.kid, kid));

export const isSignedBy = (
  { sign1, payload }: Pick<Signed<unknown>, "sign1" | "payload">,
  { key }: Auditor,
  provider: SignatureProvider,
): boolean => provider.verify(key, toBeSigned(sign1.protectedBytes, payload), sign1.signature);
