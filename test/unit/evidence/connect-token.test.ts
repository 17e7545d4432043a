import { expect, test } from "vitest";
import {
  nobleProvider,
  nobleSigner,
  openConnectToken,
  sealConnectToken,
  sealCwt,
  verifyCwt,
  type CborKey,
  type CborValue,
} from "@tallystick/evidence";

const TYP = "application/vnd.tallystick.connect+cwt";
const signer = nobleSigner(new Uint8Array(32).fill(7));
const AUD = `sha256:${"0f".repeat(32)}`;
const good = { iss: "city/gw-1", aud: AUD, exporter: new Uint8Array(32).fill(3) };

test("says who, to whom and over which connection, and fits into an MQTT password", async () => {
  const bytes = await sealConnectToken(good, signer);
  const { cwt, ...claims } = openConnectToken(bytes);
  expect(claims).toEqual(good);
  expect(() => verifyCwt(cwt, signer.key, nobleProvider)).not.toThrow();
  expect(bytes.length).toBeLessThan(400);
});

test.for<[string, [CborKey, CborValue][]]>([
  [
    "no name",
    [
      [3, AUD],
      [10, good.exporter],
    ],
  ],
  [
    "a name that is none",
    [
      [1, "City/gw-1"],
      [3, AUD],
      [10, good.exporter],
    ],
  ],
  [
    "an audience that is no pin",
    [
      [1, good.iss],
      [3, "broker.example"],
      [10, good.exporter],
    ],
  ],
  [
    "a pin in capitals",
    [
      [1, good.iss],
      [3, AUD.toUpperCase()],
      [10, good.exporter],
    ],
  ],
  [
    "a short exporter",
    [
      [1, good.iss],
      [3, AUD],
      [10, new Uint8Array(31)],
    ],
  ],
  [
    "an exporter as text",
    [
      [1, good.iss],
      [3, AUD],
      [10, "x".repeat(32)],
    ],
  ],
  [
    "one claim more",
    [
      [1, good.iss],
      [3, AUD],
      [6, 1_790_000_000],
      [10, good.exporter],
    ],
  ],
])("with %s it is none", async ([, claims]) => {
  const bytes = await sealCwt(TYP, new Map(claims), signer);
  expect(() => openConnectToken(bytes)).toThrow(expect.objectContaining({ code: "token-malformed" }));
});

test("a token of another use is none", async () => {
  const bytes = await sealCwt("application/vnd.tallystick.enrol+cwt", new Map(), signer);
  expect(() => openConnectToken(bytes)).toThrow(expect.objectContaining({ code: "token-malformed" }));
});
