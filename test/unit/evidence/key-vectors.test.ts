/**
 * Keys and signatures of the RFCs: Ed25519 (RFC 8032), key thumbprints (RFC 9679), and ML-DSA in COSE (RFC 9964), which this profile does
 * not admit but must be able to name and sign over once it does.
 *
 * @module
 */
import {
  decodeCbor,
  ed25519Key,
  encodeCbor,
  equalBytes,
  fromHex,
  nobleProvider,
  nobleSigner,
  parseCoseKey,
  parseSign1,
  parseStatement,
  sha256,
  thumbprint,
  toBase64,
  toBeSigned,
  toHex,
  type CborKey,
  type CborMap,
  type CborValue,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import { ml_dsa44, ml_dsa65 } from "@noble/post-quantum/ml-dsa.js";
import { describe, expect, test } from "vitest";
import { flipBit } from "../../support/bit-flips.ts";
import { need } from "../../support/require.ts";
import { sharedJson } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

type Ed25519Vector = { name: string; seed: string; publicKey: string; message: string; signature: string };
type ThumbprintVector = {
  name: string;
  coseKey?: Readonly<Record<string, string | number>>;
  coseKeyWithKid?: string;
  thumbprintInput?: string;
  thumbprint: string;
  uri?: string;
};
type MlDsaVector = {
  key: string;
  sign1: string;
  priv: string;
  raw_to_be_signed: string;
  raw_signature: string;
  raw_public_key: string;
};

const haveShared = need("shared");
const facts = haveShared
  ? (sharedJson("vectors/facts/facts.json") as {
      ed25519: { vectors: Ed25519Vector[] };
      coseKeyThumbprint: { vectors: ThumbprintVector[] };
    })
  : { ed25519: { vectors: [] }, coseKeyThumbprint: { vectors: [] } };
const providers = [nobleProvider, createNodeProvider()];

describe.skipIf(!haveShared)("Ed25519, RFC 8032 section 7.1", () => {
  test.for(facts.ed25519.vectors)("$name", async ({ seed, publicKey, message, signature }) => {
    const signer = nobleSigner(fromHex(seed));
    expect(toHex(signer.key.x)).toBe(publicKey);
    expect(toHex(await signer.sign(fromHex(message)))).toBe(signature);
    for (const provider of providers) {
      expect(provider.verify(signer.key, fromHex(message), fromHex(signature))).toBe(true);
      expect(provider.verify(signer.key, fromHex(`${message}00`), fromHex(signature))).toBe(false);
    }
  });
});

/** A COSE_Key as the file shows it: labels and the values of kty and crv are integers, all else bytes. */
const coseKeyOf = (shown: Readonly<Record<string, string | number>>): CborMap =>
  new Map(
    Object.entries(shown).map(([label, value]) => [
      Number(label),
      typeof value === "number" ? value : fromHex(value),
    ]),
  );

describe.skipIf(!haveShared)("thumbprints, RFC 9679", () => {
  const ours = facts.coseKeyThumbprint.vectors.filter(({ coseKey }) => coseKey !== undefined);

  test.for(ours)("$name", ({ coseKey, coseKeyWithKid, thumbprintInput, thumbprint: expected, uri }) => {
    const map = coseKeyOf(coseKey ?? {});
    const key = parseCoseKey(map);
    expect(toHex(encodeCbor(map))).toBe(thumbprintInput);
    expect(toHex(key.kid)).toBe(expected);
    expect(toHex(thumbprint(key))).toBe(expected);
    const base64url = toBase64(key.kid).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
    expect(`urn:ietf:params:oauth:ckt:sha-256:${base64url}`).toBe(uri);
    if (coseKeyWithKid === undefined) return;
    // a key of ours has the members of its thumbprint and no others
    const named = decodeCbor(fromHex(coseKeyWithKid), { maxBytes: 1000, deterministic: false });
    expect(codeOf(() => parseCoseKey(named))).toBe("unknown-member");
  });

  test("both keys of the file were tried", () => {
    expect(ours).toHaveLength(2);
  });
});

const AKP = 7;

describe.skipIf(!haveShared)("ML-DSA in COSE, RFC 9964", () => {
  test.for<readonly [string, typeof ml_dsa44, number]>([
    ["ML_DSA_44", ml_dsa44, -48],
    ["ML_DSA_65", ml_dsa65, -49],
  ])("%s", ([name, scheme, alg]) => {
    const vector = sharedJson(`vectors/cose-ml-dsa/${name}.cose.json`) as MlDsaVector;
    const { publicKey } = scheme.keygen(fromHex(vector.priv));
    expect(toHex(publicKey)).toBe(vector.raw_public_key);

    const { protectedBytes, header, payload, signature } = parseSign1(fromHex(vector.sign1), 32_768);
    const signed = toBeSigned(protectedBytes, payload ?? new Uint8Array());
    expect(toHex(signed)).toBe(vector.raw_to_be_signed);
    expect(toHex(signature)).toBe(vector.raw_signature);
    expect(scheme.verify(signature, signed, publicKey)).toBe(true);
    for (const bit of [0, 4 * signature.length, 8 * signature.length - 1]) {
      expect(scheme.verify(flipBit(signature, bit), signed, publicKey)).toBe(false);
    }
    for (let at = 0; at < signed.length; at += 13) {
      expect(scheme.verify(signature, flipBit(signed, 8 * at), publicKey)).toBe(false);
    }

    const required = new Map<CborKey, CborValue>([
      [1, AKP],
      [3, alg],
      [-1, publicKey],
    ]);
    const kid = sha256(encodeCbor(required));
    expect(equalBytes(kid, header.get(4) as Uint8Array)).toBe(true);
    expect(header.get(1)).toBe(alg);
    const printed = decodeCbor(fromHex(vector.key), { maxBytes: 8192, deterministic: false }) as CborMap;
    expect(toHex(printed.get(2) as Uint8Array)).toBe(toHex(kid));
    const facted = facts.coseKeyThumbprint.vectors.find((one) =>
      one.name.startsWith(`AKP ${name.replaceAll("_", "-")} `),
    );
    expect(toHex(kid)).toBe(facted?.thumbprint);
  });

  test("is no algorithm of this profile yet", () => {
    const vector = sharedJson("vectors/cose-ml-dsa/ML_DSA_44.cose.json") as MlDsaVector;
    // the signature has another length than any of ours
    expect(codeOf(() => parseStatement(fromHex(vector.sign1)))).toBe("cose-malformed");
    const printed = decodeCbor(fromHex(vector.key), { maxBytes: 8192, deterministic: false });
    expect(codeOf(() => parseCoseKey(printed))).toMatch(/^(member-type|key-malformed)$/);
    expect(ed25519Key(new Uint8Array(32)).alg).toBe(-19);
  });
});
