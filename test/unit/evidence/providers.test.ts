/**
 * The signature providers accept and refuse the same: noble with and without a memory, node:crypto (OpenSSL) and libsodium, on the 914 edge cases of C2SP/CCTV,
 * on scalars that are not below the group order, on wrong lengths, and on ESP256 with either s.
 *
 * @module
 */
import { generateKeyPairSync, sign } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  concatBytes,
  createNobleProvider,
  ed25519Key,
  encodeUtf8,
  esp256Key,
  fromHex,
  nobleProvider,
  nobleSigner,
  sha256,
  toHex,
  type PublicKey,
  type SignatureProvider,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256 } from "@tallystick/evidence/node";
import { createSodiumProvider } from "../../../anchor/src/admission/sodium.ts";
import { bestProvider } from "../../../audit/src/provider.ts";
import { need } from "../../support/require.ts";
import { sharedJson } from "../../support/shared.ts";

const providers: readonly SignatureProvider[] = [
  nobleProvider,
  { ...createNobleProvider(), name: "noble with a memory" },
  createNodeProvider(),
  createSodiumProvider(),
  { ...bestProvider(), name: "the auditor's" },
];

type Case = { number: number; key: string; sig: string; msg: string; flags: string[] | null };
const have = need("shared");

describe.skipIf(!have)("C2SP/CCTV, 914 edge cases of Ed25519", () => {
  const cases = have ? (sharedJson("vectors/ed25519-edge-cases/ed25519vectors.json") as Case[]) : [];
  const verdicts = have
    ? (sharedJson("vectors/ed25519-edge-cases/verdicts.json") as { accepted: { strict: number[] } })
    : { accepted: { strict: [] } };

  test("there are 914, of which the strict rule accepts 43", () => {
    expect(cases).toHaveLength(914);
    expect(verdicts.accepted.strict).toHaveLength(43);
  });

  test.for(providers)("$name accepts exactly those of the strict rule", (provider) => {
    // Where keys are remembered, what is met again takes another way.
    const times = provider.name.includes("memory") ? 4 : 1;
    const accepted = cases.filter(({ key, sig, msg }) => {
      const verify = (): boolean => provider.verify(ed25519Key(fromHex(key)), encodeUtf8(msg), fromHex(sig));
      const said = new Set(Array.from({ length: times }, verify));
      expect(said.size).toBe(1);
      return said.has(true);
    });
    expect(accepted.map(({ number }) => number)).toEqual(verdicts.accepted.strict);
  });
});

/** Group order of Ed25519, RFC 8032 section 5.1. */
const L = 2n ** 252n + 27742317777372353535851937790883648493n;
const littleEndian = (n: bigint): Uint8Array => fromHex(n.toString(16).padStart(64, "0")).toReversed();
const scalar = (bytes: Uint8Array): bigint => BigInt(`0x${toHex(bytes.toReversed())}`);

const message = encodeUtf8("a message");
const signer = nobleSigner(sha256(encodeUtf8("providers")));
const signature = await signer.sign(message);
const [r, s] = [signature.slice(0, 32), scalar(signature.subarray(32))];

/** The largest multiples of L that still fit into 32 bytes, and what lies around the order itself. */
const tooLarge: [string, bigint][] = [
  ["S + L", s + L],
  ["S + 2 L", s + 2n * L],
  ["S + 7 L", s + 7n * L],
  ["S + 15 L", s + 15n * L],
  ["L", L],
  ["L + 1", L + 1n],
  ["2^253", 2n ** 253n],
  ["2^256 - 1", 2n ** 256n - 1n],
];

describe.each(providers)("$name", (provider) => {
  test("accepts a good signature", () => {
    expect(provider.verify(signer.key, message, signature)).toBe(true);
    expect(provider.verify(signer.key, message, concatBytes(r, littleEndian(s)))).toBe(true);
  });

  test.for(tooLarge)("refuses S = %s", ([, value]) => {
    expect(provider.verify(signer.key, message, concatBytes(r, littleEndian(value)))).toBe(false);
  });

  test("refuses S = 0 and S = L - 1 with another R", () => {
    for (const value of [0n, L - 1n])
      expect(provider.verify(signer.key, message, concatBytes(r, littleEndian(value)))).toBe(false);
  });

  test("refuses signatures of any other length", () => {
    for (const length of [0, 1, 31, 32, 63, 65, 96, 128]) {
      const other = new Uint8Array(length);
      other.set(signature.subarray(0, length));
      expect(provider.verify(signer.key, message, other)).toBe(false);
      expect(provider.verify(hard.key, message, other)).toBe(false);
    }
  });

  test("refuses every single-bit change of signature, key and message", () => {
    const flipped = (bytes: Uint8Array, bit: number): Uint8Array =>
      bytes.map((byte, i) => (i === bit >> 3 ? byte ^ (1 << (bit & 7)) : byte));
    // All bits with the fast ones; noble takes a millisecond each, so every seventh.
    const step = provider.name.startsWith("noble") ? 7 : 1;
    for (let bit = 0; bit < 512; bit += step)
      expect(provider.verify(signer.key, message, flipped(signature, bit))).toBe(false);
    for (let bit = 0; bit < 256; bit += step)
      expect(provider.verify(ed25519Key(flipped(signer.key.x, bit)), message, signature)).toBe(false);
    for (let bit = 0; bit < message.length * 8; bit += step)
      expect(provider.verify(signer.key, flipped(message, bit), signature)).toBe(false);
  });

  test("answers false, and never throws, on keys that are none", () => {
    const odd: PublicKey[] = [
      { ...signer.key, x: new Uint8Array(31) },
      { ...signer.key, x: new Uint8Array(0) },
      { ...signer.key, x: new Uint8Array(32) },
      { ...signer.key, x: new Uint8Array(32).fill(255) },
      { ...hard.key, y: new Uint8Array(31) },
      { ...hard.key, x: new Uint8Array(32), y: new Uint8Array(32) },
      { ...hard.key, y: hard.key.x },
      { alg: -9, x: hard.key.x, kid: hard.key.kid },
    ];
    // A kid of its own for each: a provider may remember keys by theirs.
    for (const [i, key] of odd.entries()) {
      const named = { ...key, kid: Uint8Array.of(i) };
      expect(provider.verify(named, message, key.alg === -9 ? hard.low : signature)).toBe(false);
    }
  });

  test("an empty message, and one of a megabyte", async () => {
    for (const long of [new Uint8Array(0), new Uint8Array(1 << 20)]) {
      const made = await signer.sign(long);
      expect(provider.verify(signer.key, long, made)).toBe(true);
      expect(provider.verify(signer.key, concatBytes(long, Uint8Array.of(0)), made)).toBe(false);
    }
  });

  test("ESP256: s in the lower half is accepted, its twin in the upper half refused", () => {
    expect(provider.verify(hard.key, message, hard.low)).toBe(true);
    expect(provider.verify(hard.key, message, hard.high)).toBe(false);
  });

  test("ESP256: r or s of 0 or of the order, and swapped halves, are refused", () => {
    const low = [hard.low.slice(0, 32), hard.low.slice(32)] as const;
    const zero = new Uint8Array(32);
    const order = bigEndian(N);
    for (const parts of [
      [zero, low[1]],
      [low[0], zero],
      [order, low[1]],
      [low[0], order],
      [low[1], low[0]],
      [zero, zero],
    ])
      expect(provider.verify(hard.key, message, concatBytes(...parts))).toBe(false);
  });

  test("a key of one kind never verifies a signature of the other", () => {
    expect(provider.verify(hard.key, message, signature)).toBe(false);
    expect(provider.verify(signer.key, message, hard.low)).toBe(false);
  });
});

/** Order of P-256. */
const N = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
function bigEndian(n: bigint): Uint8Array {
  return fromHex(n.toString(16).padStart(64, "0"));
}

/** A P-256 key and both signatures of the message, made by OpenSSL. */
const hard = (() => {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const { x = "", y = "" } = publicKey.export({ format: "jwk" });
  const made = new Uint8Array(sign("sha256", message, { key: privateKey, dsaEncoding: "ieee-p1363" }));
  const value = BigInt(`0x${toHex(made.subarray(32))}`);
  const withS = (n: bigint): Uint8Array => concatBytes(made.subarray(0, 32), bigEndian(n));
  const [low, high] = value <= N / 2n ? [value, N - value] : [N - value, value];
  const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64url"));
  return { key: esp256Key(bytes(x), bytes(y)), low: withS(low), high: withS(high) };
})();

test("both hashes are SHA-256", () => {
  for (const length of [0, 1, 55, 56, 63, 64, 65, 1000]) {
    const bytes = new Uint8Array(length).fill(length & 255);
    expect(toHex(nodeSha256(bytes))).toBe(toHex(sha256(bytes)));
  }
});
