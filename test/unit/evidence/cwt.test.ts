import { expect, test } from "vitest";
import {
  CLAIM,
  encodeCbor,
  encodeSign1,
  nobleProvider,
  nobleSigner,
  openCwt,
  sealCwt,
  verifyCwt,
  type CborKey,
  type CborValue,
} from "@tallystick/evidence";

const TYP = "application/vnd.tallystick.connect+cwt";
const signer = nobleSigner(new Uint8Array(32).fill(7));
const claims = new Map<CborKey, CborValue>([
  [CLAIM.iss, "city/gw-1"],
  [CLAIM.nonce, new Uint8Array(32)],
]);

test("a token says what was signed, of the key that it names", async () => {
  const token = openCwt(await sealCwt(TYP, claims, signer), TYP);
  expect(token.claims).toEqual(claims);
  expect(() => verifyCwt(token, signer.key, nobleProvider)).not.toThrow();
  const other = nobleSigner(new Uint8Array(32).fill(8));
  expect(() => verifyCwt(token, other.key, nobleProvider)).toThrow(
    expect.objectContaining({ code: "key-mismatch" }),
  );
});

test("no token of one use is one of another, and none is a statement", async () => {
  const bytes = await sealCwt(TYP, claims, signer);
  expect(() => openCwt(bytes, "application/vnd.tallystick.enrol+cwt")).toThrow(
    expect.objectContaining({ code: "token-malformed" }),
  );
});

test("whatever bit of it is changed, it is refused", async () => {
  const bytes = await sealCwt(TYP, claims, signer);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3] = (changed[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    expect(() => verifyCwt(openCwt(changed, TYP), signer.key, nobleProvider)).toThrow(
      expect.objectContaining({
        code: expect.stringMatching(/^(token-malformed|key-mismatch|signature-invalid)$/) as string,
      }),
    );
  }
});

test.for<[string, Parameters<typeof encodeSign1>[0]]>([
  [
    "no header",
    {
      protectedBytes: new Uint8Array(),
      unprotected: new Map(),
      payload: new Uint8Array([0xa0]),
      signature: new Uint8Array(64),
    },
  ],
  [
    "no payload",
    {
      protectedBytes: encodeCbor(new Map()),
      unprotected: new Map(),
      payload: null,
      signature: new Uint8Array(64),
    },
  ],
  [
    "something unprotected",
    {
      protectedBytes: encodeCbor(
        new Map<CborKey, CborValue>([
          [1, -19],
          [4, signer.key.kid],
          [16, TYP],
        ]),
      ),
      unprotected: new Map([[1, 1]]),
      payload: new Uint8Array([0xa0]),
      signature: new Uint8Array(64),
    },
  ],
  [
    "claims that are no map",
    {
      protectedBytes: encodeCbor(
        new Map<CborKey, CborValue>([
          [1, -19],
          [4, signer.key.kid],
          [16, TYP],
        ]),
      ),
      unprotected: new Map(),
      payload: new Uint8Array([0x80]),
      signature: new Uint8Array(64),
    },
  ],
])("with %s it is none", ([, parts]) => {
  expect(() => openCwt(encodeSign1(parts), TYP)).toThrow(
    expect.objectContaining({ code: "token-malformed" }),
  );
});
