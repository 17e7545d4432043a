/**
 * The keys behind this log's receipts, as a COSE Key Set: its own, and those of logs that were served here before.
 *
 * @module
 */
import {
  coseKey,
  ed25519Key,
  encodeCbor,
  parseVkey,
  toBase64Url,
  type CborKey,
  type CborMap,
  type CborValue,
  type PublicKey,
} from "@tallystick/evidence";

/** COSE_Key labels (RFC 9052 section 7.1). */
const KID = 2;
const ALG = 3;

export type ServiceKeys = {
  /** The COSE Key Set. */
  readonly all: Uint8Array;
  /** One COSE_Key, by the base64url of its kid, without padding. */
  readonly byKid: ReadonlyMap<string, Uint8Array>;
};

/** @param retired - verifier keys of earlier logs */
export function serviceKeys(own: PublicKey, retired: readonly string[]): ServiceKeys {
  const earlier = retired.map((text) => ed25519Key(parseVkey(text).publicKey));
  const byKid = new Map<string, CborMap>();
  for (const key of [own, ...earlier]) byKid.set(toBase64Url(key.kid), describedKey(key));
  return {
    all: encodeCbor([...byKid.values()]),
    byKid: new Map([...byKid].map(([kid, key]) => [kid, encodeCbor(key)])),
  };
}

const describedKey = (key: PublicKey): CborMap =>
  new Map<CborKey, CborValue>([...coseKey(key), [KID, key.kid], [ALG, key.alg]]);
