/**
 * Statements for tests: one good one of each content type, and any header under a good signature, for what only a dishonest signer can say.
 *
 * @module
 */
import {
  ALG_ED25519,
  concatBytes,
  decimal,
  encodeCbor,
  encodeEat,
  encodeEvent,
  encodeItem,
  encodePack,
  encodeSign1,
  esp256Key,
  fromHex,
  nobleSigner,
  sealStatement,
  toBeSigned,
  toHex,
  type BootEvidence,
  type CborKey,
  type CborMap,
  type CborValue,
  type Claims,
  type Content,
  type Signer,
  type Statement,
} from "@tallystick/evidence";
import { createPrivateKey, sign } from "node:crypto";

const ISS = "city-energy/gw-17";
const SUB = "meter/m-0417";
const BASE_NAME = `${ISS}/${SUB}/`;
export const HASH = new Uint8Array(32).fill(7);
export const CHAIN = new Uint8Array(8).fill(1);
export const NOW = 1_790_000_000;

export const signer = nobleSigner(new Uint8Array(32).fill(3));

/** What the device of `signer` says at a start. */
export const BOOT_EVIDENCE: BootEvidence = {
  kid: signer.key.kid,
  machine: HASH,
  uptimeS: 41,
  bootCount: 17,
  bootSeed: new Uint8Array(16).fill(2),
  software: { name: "tally-agent", version: "0.1.0" },
  layers: { os: { name: "Debian GNU/Linux", version: "12" }, node: { name: "node", version: "24.21.0" } },
  files: { count: 37, hash: HASH },
  token: "ST33HTPHAHD4",
};

/** The published test key of the COSE working group's examples, used as hardware would: s is low. */
const P256 = {
  kty: "EC",
  crv: "P-256",
  x: "usWxHK2PmfnHKwXPS54m0kTcGJ90UiglWiGahtagnv8",
  y: "IBOL-C3BttVivg-lSreASjpkttcsz-1rb7btKLv8EX4",
  d: "V8kgd2ZBRuh2dgyVINBUqpPDr7BOMGcF22CQMIUHtNM",
} as const;
/** Order of the group of P-256. */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export function esp256Signer(): Signer {
  const coordinate = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64url"));
  const key = createPrivateKey({ key: P256, format: "jwk" });
  return {
    key: esp256Key(coordinate(P256.x), coordinate(P256.y)),
    sign: (message) => {
      const signature = new Uint8Array(sign("sha256", message, { key, dsaEncoding: "ieee-p1363" }));
      return Promise.resolve(isLow(signature) ? signature : otherS(signature));
    },
  };
}

const sOf = (signature: Uint8Array): bigint => BigInt(`0x${toHex(signature.subarray(32))}`);
const isLow = (signature: Uint8Array): boolean => sOf(signature) <= P256_ORDER >> 1n;

/** The other signature that anybody can make of one: s becomes the order less s. */
export const otherS = (signature: Uint8Array): Uint8Array =>
  concatBytes(
    signature.subarray(0, 32),
    fromHex((P256_ORDER - sOf(signature)).toString(16).padStart(64, "0")),
  );

export const readingsPayload = encodePack(BASE_NAME, [
  { name: "1-0:1.8.1", unit: "kWh", value: { v: decimal(1581123, -3) }, time: decimal(NOW), quality: [] },
  {
    name: "1-0:32.7.0",
    unit: "V",
    value: { v: decimal(2301, -1) },
    time: decimal(NOW + 1),
    quality: ["no-zone"],
  },
]);
export const framePayload = encodePack(BASE_NAME, [
  { name: "raw", value: { vd: Uint8Array.of(0x2f, 0x58) }, time: decimal(NOW), quality: [] },
]);
export const timelessPayload = encodePack(BASE_NAME, [
  { name: "a", value: { vb: true }, time: null, quality: [] },
]);

export const claims: Claims = {
  iss: ISS,
  sub: SUB,
  iat: NOW + 60,
  ch: CHAIN,
  seq: 5,
  prev: HASH,
  tq: 2,
  seen: { size: 1000, root: HASH },
  lvl: 1,
};
/** The claims of a registry item. */
export const registryClaims: Claims = {
  iss: "city-energy/operator",
  sub: "registry",
  iat: NOW,
  seq: 1,
  prev: HASH,
  tq: 2,
  lvl: 1,
};

/** One good content of each type, with claims that suit it. */
export const CONTENTS: readonly {
  readonly name: string;
  readonly claims: Claims;
  readonly content: Content;
}[] = [
  { name: "senml", claims, content: { type: "senml", payload: readingsPayload } },
  {
    name: "senml with its frame",
    claims: { ...claims, lvl: 2 },
    content: { type: "senml", payload: framePayload },
  },
  {
    name: "event",
    claims: { ...claims, sub: "sys" },
    content: {
      type: "event",
      payload: encodeEvent({
        kind: "heads",
        all: false,
        heads: [{ sub: SUB, ch: CHAIN, seq: 5, hash: HASH }],
      }),
    },
  },
  {
    name: "registry",
    claims: registryClaims,
    content: {
      type: "registry",
      payload: encodeItem({
        kind: "enrol",
        device: ISS,
        key: signer.key,
        streams: ["meter/*"],
        silenceS: 900,
      }),
    },
  },
  {
    name: "eat",
    claims: { ...claims, sub: "sys" },
    content: {
      type: "eat",
      payload: encodeEat(BOOT_EVIDENCE),
    },
  },
  {
    name: "envelope",
    claims,
    content: { type: "envelope", digest: HASH, contentType: "image/jpeg", location: "frames/1790000000.jpg" },
  },
];

/** Seals what a well-behaved signer may say. */
export const seal = (
  over: Partial<Claims> = {},
  content: Content = { type: "senml", payload: readingsPayload },
  by: Signer = signer,
): Promise<Statement> => sealStatement({ ...claims, ...over }, content, by);

/** The header of a good statement of readings, to be changed at will. */
export const goodHeader = (): Map<CborKey, CborValue> =>
  new Map<CborKey, CborValue>([
    [1, ALG_ED25519],
    [3, 112],
    [4, signer.key.kid],
    [15, goodClaims()],
    [16, 277],
  ]);
export const goodClaims = (): Map<CborKey, CborValue> =>
  new Map<CborKey, CborValue>([
    [1, ISS],
    [2, SUB],
    [6, NOW],
    ["v", 1],
    ["ch", CHAIN],
    ["tq", 2],
    ["lvl", 1],
    ["seq", 5],
    ["prev", HASH],
  ]);

/** Puts values into a map; undefined takes a key away. */
export function withChanges(
  map: CborMap,
  changes: readonly (readonly [CborKey, CborValue | undefined])[],
): CborMap {
  const changed = new Map(map);
  for (const [key, value] of changes) {
    if (value === undefined) changed.delete(key);
    else changed.set(key, value);
  }
  return changed;
}

/** Signs any header over any payload, whatever the profile says of it. */
export async function forge(
  header: CborMap | Uint8Array,
  payload: Uint8Array = readingsPayload,
  unprotected: CborMap = new Map(),
): Promise<Uint8Array> {
  const protectedBytes = header instanceof Uint8Array ? header : encodeCbor(header);
  const signature = await signer.sign(toBeSigned(protectedBytes, payload));
  return encodeSign1({ protectedBytes, unprotected, payload, signature });
}
