/**
 * The COSE working group's examples, twice: our general functions rebuild the bytes to be signed of every one that is a COSE_Sign1, and
 * OpenSSL finds the signatures as the README of the vectors says; our profile admits none of them, each for a reason.
 *
 * @module
 */
import {
  decodeCbor,
  ed25519Key,
  encodeCbor,
  encodeSign1,
  esp256Key,
  fromHex,
  nobleProvider,
  parseCoseKey,
  parseSign1,
  parseStatement,
  type Tagged,
  toBeSigned,
  toHex,
  type CborKey,
  type CborMap,
  type CborValue,
} from "@tallystick/evidence";
import { createDecipheriv, createHmac, createPublicKey, verify, type JsonWebKey } from "node:crypto";
import { describe, expect, test } from "vitest";
import { need } from "../../support/require.ts";
import { sharedJson } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

type Key = Readonly<Record<string, string>>;
type Vector = {
  readonly input: {
    readonly sign0?: { readonly key: Key; readonly alg: string; readonly external?: string };
    readonly sign?: { readonly signers: readonly { readonly key: Key }[] };
    readonly mac0?: { readonly recipients: readonly { readonly key: Key }[] };
  };
  readonly intermediates: {
    readonly ToBeSign_hex?: string;
    readonly ToMac_hex?: string;
    readonly AAD_hex?: string;
    readonly CEK_hex?: string;
    readonly signers?: readonly { readonly ToBeSign_hex: string }[];
  };
  readonly output: { readonly cbor: string };
};

const haveShared = need("shared");
const load = (name: string): Vector => sharedJson(`vectors/cose/${name}.json`) as Vector;
const bytesOf = ({ output }: Vector): Uint8Array => fromHex(output.cbor);
const MAX = 32_768;

/** A member of a JWK, which these files give as base64url or, under another name, in hexadecimal. */
const member = (key: Key, name: string): Uint8Array =>
  new Uint8Array(
    key[`${name}_hex`] === undefined
      ? Buffer.from(key[name] ?? "", "base64url")
      : Buffer.from(key[`${name}_hex`] ?? "", "hex"),
  );
const jwk = (key: Key): JsonWebKey => {
  const text = (name: string): string => Buffer.from(member(key, name)).toString("base64url");
  return {
    kty: key["kty"] ?? "",
    crv: key["crv"] ?? "",
    x: text("x"),
    ...(key["kty"] === "EC" && { y: text("y") }),
  };
};
/** OpenSSL's judgement: any s, and any hash beside any curve. */
function openssl(key: Key, hash: string | null, message: Uint8Array, signature: Uint8Array): boolean {
  const object = createPublicKey({ key: jwk(key), format: "jwk" });
  return verify(hash, message, { key: object, dsaEncoding: "ieee-p1363" }, signature);
}

/** What general means make of a COSE_Sign1: the bytes to be signed, and whether the signature over them is good. */
function judge(vector: Vector, bytes: Uint8Array, hash: string | null): { signed: string; good: boolean } {
  const { sign0 } = vector.input;
  if (sign0 === undefined) throw new Error("no sign0");
  const { protectedBytes, header, payload, signature } = parseSign1(bytes, MAX);
  // RFC 9052 section 4.4: an empty map is signed as the empty string
  const covered: Uint8Array = header.size === 0 ? new Uint8Array() : protectedBytes;
  const signed = toBeSigned(covered, payload ?? new Uint8Array(), {
    externalAad: fromHex(sign0.external ?? ""),
  });
  return { signed: toHex(signed), good: openssl(sign0.key, hash, signed, signature) };
}

/** The code with which our profile refuses: as it stands, and, since all of these have unprotected members, without them. */
function refusals(bytes: Uint8Array): string {
  const whole = codeOf(() => parseStatement(bytes));
  if (whole !== "cose-unprotected") return whole;
  return `${whole}, ${codeOf(() => parseStatement(encodeSign1({ ...parseSign1(bytes, MAX), unprotected: new Map() })))}`;
}

describe.skipIf(!haveShared)("COSE_Sign1", () => {
  test.for<readonly [string, string | null, string]>([
    ["sign1-tests/sign-pass-01", "sha256", "cose-unprotected, member-missing"], // alg is not protected
    ["sign1-tests/sign-pass-02", "sha256", "cose-unprotected, cose-algorithm"], // and external data are not of our profile
    ["eddsa-examples/eddsa-sig-01", null, "cose-unprotected, cose-algorithm"], // -8, deprecated for -19
    ["eddsa-examples/eddsa-sig-02", null, "cose-unprotected, cose-malformed"], // Ed448: a signature of 114 bytes
    ["ecdsa-examples/ecdsa-sig-01", "sha256", "cose-unprotected, cose-algorithm"], // -7, deprecated for -9
    ["ecdsa-examples/ecdsa-sig-04", "sha512", "cose-unprotected, cose-algorithm"], // ES512 with P-256
    ["CWT/A_3", "sha256", "cose-algorithm"],
  ])("%s: a good signature, refused by our profile", ([name, hash, code]) => {
    const vector = load(name);
    const { signed, good } = judge(vector, bytesOf(vector), hash);
    expect(signed).toBe(vector.intermediates.ToBeSign_hex?.toLowerCase());
    expect(good).toBe(true);
    expect(refusals(bytesOf(vector))).toBe(code);
  });

  test("external data are part of what is signed", () => {
    const vector = load("sign1-tests/sign-pass-02");
    const { protectedBytes, payload, signature } = parseSign1(bytesOf(vector), MAX);
    const without = toBeSigned(protectedBytes, payload ?? new Uint8Array());
    expect(openssl(vector.input.sign0?.key ?? {}, "sha256", without, signature)).toBe(false);
  });

  test("sign-pass-03: without tag 18 it is refused, with it the signature is good", () => {
    const vector = load("sign1-tests/sign-pass-03");
    expect(refusals(bytesOf(vector))).toBe("cose-malformed");
    expect(codeOf(() => parseSign1(bytesOf(vector), MAX))).toBe("cose-malformed");
    const tagged = Uint8Array.of(0xd2, ...bytesOf(vector));
    const { signed, good } = judge(vector, tagged, "sha256");
    expect([signed, good]).toEqual([vector.intermediates.ToBeSign_hex?.toLowerCase(), true]);
  });

  test("sign-fail-01: refused for its tag, though the signature is good", () => {
    const vector = load("sign1-tests/sign-fail-01");
    expect(refusals(bytesOf(vector))).toBe("cbor-tag");
    const retagged = Uint8Array.of(0xd2, ...bytesOf(vector).subarray(3)); // d9 03e6 is tag 998
    expect(judge(vector, retagged, "sha256").good).toBe(true);
  });

  test.for<readonly [string, string]>([
    ["sign1-tests/sign-fail-02", "cose-unprotected, cose-algorithm"],
    ["sign1-tests/sign-fail-03", "cose-unprotected, cose-algorithm"], // -999
    ["sign1-tests/sign-fail-04", "cose-unprotected, member-type"], // "unknown"
    ["sign1-tests/sign-fail-06", "cose-unprotected, cose-algorithm"],
    ["sign1-tests/sign-fail-07", "cose-unprotected, cose-algorithm"],
  ])("%s: no good signature", ([name, code]) => {
    const vector = load(name);
    expect(judge(vector, bytesOf(vector), "sha256").good).toBe(false);
    expect(refusals(bytesOf(vector))).toBe(code);
  });

  test("under our own algorithms the same signatures are good, unless s is high", () => {
    const { key } = load("sign1-tests/sign-pass-02").input.sign0 ?? { key: {} };
    const p256 = esp256Key(member(key, "x"), member(key, "y"));
    const ours = (name: string, hardware = p256): boolean => {
      const vector = load(name);
      const message = fromHex(vector.intermediates.ToBeSign_hex ?? "");
      return nobleProvider.verify(hardware, message, parseSign1(bytesOf(vector), MAX).signature);
    };
    expect(ours("ecdsa-examples/ecdsa-sig-01")).toBe(false); // s in the upper half
    const low = ["sign1-tests/sign-pass-01", "sign1-tests/sign-pass-02"].filter((name) => ours(name));
    const lowS = (name: string): boolean =>
      (parseSign1(bytesOf(load(name)), MAX).signature[32] ?? 255) < 0x7f;
    expect(low).toEqual(["sign1-tests/sign-pass-01", "sign1-tests/sign-pass-02"].filter(lowS));
    const eddsa = load("eddsa-examples/eddsa-sig-01");
    expect(ours("eddsa-examples/eddsa-sig-01", ed25519Key(member(eddsa.input.sign0?.key ?? {}, "x")))).toBe(
      true,
    );
  });

  test("Ed448 is no key of ours", () => {
    const { key } = load("eddsa-examples/eddsa-sig-02").input.sign0 ?? { key: {} };
    const ed448 = new Map<CborKey, CborValue>([
      [1, 1],
      [-1, 7],
      [-2, member(key, "x")],
    ]);
    expect(codeOf(() => parseCoseKey(ed448))).toBe("key-malformed");
  });

  test("CWT A.3 carries the claims 1 to 7", () => {
    const { payload } = parseSign1(bytesOf(load("CWT/A_3")), MAX);
    const claims = decodeCbor(payload ?? new Uint8Array(), { maxBytes: MAX }) as CborMap;
    expect([...claims.keys()]).toEqual([1, 2, 3, 4, 5, 6, 7]);
    expect(claims.get(1)).toBe("coap://as.example.com");
  });
});

describe.skipIf(!haveShared)("what is no COSE_Sign1 is refused for its tag", () => {
  test.for<readonly [string, string]>([
    ["ecdsa-examples/ecdsa-01", "sha256"],
    ["ecdsa-examples/ecdsa-04", "sha512"],
  ])("%s, COSE_Sign, though the signature is good", ([name, hash]) => {
    const vector = load(name);
    const bytes = bytesOf(vector);
    expect(refusals(bytes)).toBe("cbor-tag");
    const outer = decodeCbor(bytes, { maxBytes: MAX, tags: [98] }) as Tagged;
    const [body, , payload, signers] = outer.value as readonly CborValue[];
    const [covered, , signature] = (signers as readonly (readonly CborValue[])[])[0] ?? [];
    const signed = encodeCbor(["Signature", body, covered, new Uint8Array(), payload] as CborValue[]);
    expect(toHex(signed)).toBe(vector.intermediates.signers?.[0]?.ToBeSign_hex.toLowerCase());
    expect(openssl(vector.input.sign?.signers[0]?.key ?? {}, hash, signed, signature as Uint8Array)).toBe(
      true,
    );
  });

  test.for(["CWT/A_4", "CWT/A_7"])("%s, COSE_Mac0, though the MAC is good", (name) => {
    const vector = load(name);
    expect(refusals(bytesOf(vector))).toBe("cbor-tag");
    const { value } = decodeCbor(bytesOf(vector), { maxBytes: MAX, tags: [17] }) as Tagged;
    const [covered, , payload, mac] = value as readonly CborValue[];
    const authenticated = encodeCbor(["MAC0", covered, new Uint8Array(), payload] as CborValue[]);
    expect(toHex(authenticated)).toBe(vector.intermediates.ToMac_hex?.toLowerCase());
    const { key } = vector.input.mac0?.recipients[0] ?? { key: {} };
    const hmac = createHmac("sha256", member(key, "k")).update(authenticated).digest();
    expect(toHex(hmac.subarray(0, 8))).toBe(toHex(mac as Uint8Array));
  });

  test.for(["CWT/A_5", "CWT/A_6"])("%s, COSE_Encrypt0", (name) => {
    const vector = load(name);
    expect(refusals(bytesOf(vector))).toBe("cbor-tag");
    const { value } = decodeCbor(bytesOf(vector), { maxBytes: MAX, tags: [16] }) as Tagged;
    const [, unprotected, ciphertext] = value as readonly [CborValue, CborMap, Uint8Array];
    const { CEK_hex = "", AAD_hex = "" } = vector.intermediates;
    const sealed = ciphertext.subarray(0, -8);
    const nonce = unprotected.get(5) as Uint8Array;
    const decipher = createDecipheriv("aes-128-ccm", fromHex(CEK_hex), nonce, { authTagLength: 8 });
    decipher.setAuthTag(ciphertext.subarray(-8));
    decipher.setAAD(fromHex(AAD_hex), { plaintextLength: sealed.length });
    const plain = Buffer.concat([decipher.update(sealed), decipher.final()]);
    // inside A.6 is A.3's message; what is encrypted to nobody else is no evidence all the same
    const inner =
      name === "CWT/A_6" ? bytesOf(load("CWT/A_3")) : parseSign1(bytesOf(load("CWT/A_3")), MAX).payload;
    expect(toHex(plain)).toBe(toHex(inner ?? new Uint8Array()));
  });
});
