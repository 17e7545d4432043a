/**
 * The quick reader of headers beside the strict one: of any bytes it says the same, or nothing.
 *
 * @module
 */
import {
  decodePack,
  encodeTransparent,
  isEvidenceError,
  parseTransparent,
  sealStatement,
  type Claims,
  type CborMap,
  type Content,
  type Reading,
  type Signer,
} from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { decodeCbor } from "../../../evidence/src/cbor.ts";
import { readPlainHeader } from "../../../evidence/src/statement/plain-header.ts";
import { readHeader, type Header } from "../../../evidence/src/statement/statement-header.ts";
import { flipBit } from "../../support/bit-flips.ts";
import { claims, CONTENTS, esp256Signer, readingsPayload, signer } from "../../support/statements.ts";

const PAYLOAD = new Uint8Array(32);

const outcome = (read: () => Header | undefined): Header | string | undefined => {
  try {
    return read();
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return error.code;
  }
};
const plainly = (bytes: Uint8Array) => outcome(() => readPlainHeader(bytes, PAYLOAD));
const strictly = (bytes: Uint8Array) =>
  outcome(() => {
    const map = decodeCbor(bytes, { maxBytes: 4096 });
    return map instanceof Map ? readHeader(map as CborMap, PAYLOAD) : undefined;
  });

const senml: Content = { type: "senml", payload: readingsPayload };
const { prev: _prev, ...first } = claims;
const { seen: _seen, ...blind } = claims;
const { iat: _iat, ...timeless } = claims;
/** As agents say it: of which log the tree is. */
const seen = { size: 1000, root: PAYLOAD, origin: "a.example/log" };

/** Statements of devices, as they are written. */
const PLAIN: readonly { name: string; claims: Claims; content: Content; by?: Signer }[] = [
  ...CONTENTS.filter(({ content }) => content.type !== "registry" && content.type !== "envelope"),
  { name: "a first one", claims: { ...first, seq: 0 }, content: senml },
  { name: "a large number", claims: { ...claims, seq: 70_000 }, content: senml },
  { name: "a tree with its log", claims: { ...claims, seen }, content: senml },
  { name: "one that saw nothing", claims: blind, content: senml },
  { name: "one without time", claims: { ...timeless, tq: 0 }, content: senml },
  { name: "ESP256", claims, content: senml, by: esp256Signer() },
];

const protectedOf = async (one: (typeof PLAIN)[number]): Promise<Uint8Array> =>
  (await sealStatement(one.claims, one.content, one.by ?? signer)).sign1.protectedBytes.slice();

describe.each(PLAIN)("a header of $name", (one) => {
  test("is read as the strict reader reads it", async () => {
    const bytes = await protectedOf(one);
    const header = plainly(bytes);
    expect(header).toBeTypeOf("object");
    expect(header).toEqual(strictly(bytes));
  });

  test("with any one bit changed, cut or lengthened: the same, or left to the strict reader", async () => {
    const bytes = await protectedOf(one);
    const others = Array.from({ length: bytes.length * 8 }, (_, bit) => flipBit(bytes, bit));
    for (let length = 0; length < bytes.length; length++) others.push(bytes.slice(0, length));
    others.push(Uint8Array.of(...bytes, 0));
    const read = others.filter((other) => plainly(other) !== undefined);
    for (const other of read) expect(plainly(other)).toEqual(strictly(other));
    expect(read.length).toBeGreaterThan(100); // bits of hashes and names
  });
});

describe("whatever isn't of that form is left to the strict reader", () => {
  const long = { ...seen, origin: `${"long.".repeat(30)}example/log` };
  const others = [
    ...CONTENTS.filter(({ content }) => content.type === "registry" || content.type === "envelope"),
    { name: "a log of a long name", claims: { ...claims, seen: long }, content: senml },
    { name: "a number beyond 32 bits", claims: { ...claims, seq: 2 ** 40 }, content: senml },
  ];
  test.each(others)("$name", async (one) => {
    const bytes = await protectedOf(one);
    expect(plainly(bytes)).toBeUndefined();
    const statement = await sealStatement(one.claims, one.content, signer);
    const read = parseTransparent(encodeTransparent(statement.bytes, [PAYLOAD])).statement;
    expect(read).toEqual(statement);
  });
});

test("readings are told on the way, as they are decoded", async () => {
  const statement = await sealStatement(claims, senml, signer);
  const told: Reading[] = [];
  const read = parseTransparent(encodeTransparent(statement.bytes, [PAYLOAD]), undefined, (one) =>
    told.push(one),
  );
  expect(read.statement).toEqual(statement);
  expect(told).toEqual(decodePack(readingsPayload, `${claims.iss}/${claims.sub}/`));
});
