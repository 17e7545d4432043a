import {
  ALG_ESP256,
  decimal,
  decodePack,
  ed25519Key,
  encodeCbor,
  encodeEat,
  encodeSign1,
  encodeTransparent,
  equalBytes,
  fromHex,
  nobleProvider,
  nobleSigner,
  parseSign1,
  parseStatement,
  parseTransparent,
  sealStatement,
  sha256,
  Tagged,
  toHex,
  verifyStatement,
  type CborKey,
  type CborMap,
  type CborValue,
  type Claims,
  type Content,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  BOOT_EVIDENCE,
  CHAIN,
  claims,
  CONTENTS,
  esp256Signer,
  forge,
  framePayload,
  goodClaims,
  goodHeader,
  HASH,
  NOW,
  otherS,
  readingsPayload,
  registryClaims,
  seal,
  signer,
  timelessPayload,
  withChanges,
} from "../../support/statements.ts";
import { codeOf } from "../../support/vectors.ts";

const providers = [nobleProvider, createNodeProvider()];

type Change = readonly [CborKey, CborValue | undefined];
const header = (...changes: readonly Change[]): CborMap => withChanges(goodHeader(), changes);
const claiming = (...changes: readonly Change[]): CborMap => header([15, withChanges(goodClaims(), changes)]);
const refusal = (bytes: Uint8Array): string => codeOf(() => parseStatement(bytes));

/** A pack with a frame of so many bytes. */
const frameOf = (length: number): Content => ({
  type: "senml",
  payload: encodeCbor([
    new Map<CborKey, CborValue>([
      [-2, `${claims.iss}/${claims.sub}/`],
      [-3, NOW],
      [0, "raw"],
      [8, new Uint8Array(length)],
    ]),
  ]),
});

async function sealRefusal(said: Claims, content: Content): Promise<string> {
  let asked = false;
  const watched = { key: signer.key, sign: (message: Uint8Array) => ((asked = true), signer.sign(message)) };
  const code = await sealStatement(said, content, watched).then(
    () => "accepted",
    (error: { code: string }) => error.code,
  );
  expect(asked).toBe(code === "accepted"); // nothing that would be refused is ever signed
  return code;
}

describe("sealing and parsing", () => {
  test.for(CONTENTS)("$name", async ({ claims: said, content }) => {
    const sealed = await sealStatement(said, content, signer);
    const parsed = parseStatement(sealed.bytes);
    expect(parsed).toEqual(sealed);
    expect(parsed.claims).toEqual(said);
    expect(parsed.content).toEqual(content);
    expect(toHex(parsed.hash)).toBe(toHex(sha256(sealed.bytes)));
    for (const provider of providers) verifyStatement(parsed, signer.key, provider);
  });

  test("ESP256, for keys in hardware", async () => {
    const hardware = esp256Signer();
    const sealed = await seal({}, undefined, hardware);
    expect(sealed.alg).toBe(ALG_ESP256);
    for (const provider of providers) verifyStatement(sealed, hardware.key, provider);
    expect(codeOf(() => verifyStatement(sealed, signer.key, nobleProvider))).toBe("key-mismatch");
  });

  test("the same claims and content give the same bytes", async () => {
    expect(toHex((await seal()).bytes)).toBe(toHex((await seal()).bytes));
  });

  test("another hash function of the same result may be given", async () => {
    const { bytes, hash } = await seal();
    expect(parseStatement(bytes, () => HASH).hash).toBe(HASH);
    expect(parseStatement(bytes).hash).toEqual(hash);
  });

  test("counts readings, and decodes an event once", async () => {
    expect((await seal()).records).toBe(2);
    const heads = CONTENTS.find(({ name }) => name === "event");
    if (heads === undefined) throw new Error("no event among the contents");
    const sealed = await sealStatement(heads.claims, heads.content, signer);
    expect(sealed).toMatchObject({ records: 0, event: { kind: "heads" } });
  });

  test("another key's signature is not good, and another key is not asked", async () => {
    const statement = await seal();
    const other = nobleSigner(new Uint8Array(32).fill(4));
    expect(codeOf(() => verifyStatement(statement, other.key, nobleProvider))).toBe("key-mismatch");
    const disguised = { ...other.key, kid: signer.key.kid };
    expect(codeOf(() => verifyStatement(statement, disguised, nobleProvider))).toBe("signature-invalid");
  });
});

describe("the example in the module's own comment", () => {
  test("is a statement of RFC 8032's first key, and says what it says", async () => {
    const source = readFileSync(
      new URL("../../../evidence/src/statement/statement.ts", import.meta.url),
      "utf8",
    );
    // hexadecimal words, up to the three spaces before their meaning
    const lines = [...source.matchAll(/^ \*     ((?: *[0-9a-f]+(?: [0-9a-f]+)*)?)(?: {3,}\S.*)?$/gm)];
    const bytes = fromHex(lines.map(([, hex]) => hex?.replaceAll(" ", "")).join(""));
    const key = ed25519Key(fromHex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"));
    const statement = parseStatement(bytes);
    for (const provider of providers) verifyStatement(statement, key, provider);
    expect(toHex(statement.hash)).toBe(/its own hash is ([0-9a-f]{64})/.exec(source)?.[1]);
    expect(statement.claims).toEqual({
      iss: "city/gw-1",
      sub: "meter/a",
      iat: 1_790_000_060,
      ch: fromHex("0102030405060708"),
      seq: 1,
      prev: sha256(new Uint8Array()),
      tq: 2,
      lvl: 1,
    });
    expect(decodePack(statement.sign1.payload ?? new Uint8Array(), "city/gw-1/meter/a/")).toEqual([
      {
        name: "1-0:1.8.0",
        unit: "kWh",
        value: { v: decimal(150, -2) },
        time: decimal(1_790_000_000),
        quality: [],
      },
    ]);
  });
});

describe("what the claims say about one another", () => {
  const { seen, ...unseen } = claims;
  const event: Content = {
    type: "event",
    payload: CONTENTS[2]?.content.type === "event" ? CONTENTS[2].content.payload : HASH,
  };
  const registry = CONTENTS[3]?.content as Content;
  const eat = CONTENTS[4]?.content as Content;
  const senml: Content = { type: "senml", payload: readingsPayload };

  test.for<readonly [string, Claims, Content, string]>([
    ["tq 0 with iat", { ...claims, tq: 0 }, senml, "statement-claims"],
    ["tq 2 without iat", without(claims, "iat"), senml, "statement-claims"],
    ["tq 0 without iat", { ...without(claims, "iat"), tq: 0 }, senml, "accepted"],
    ["seq 0 with prev", { ...claims, seq: 0 }, senml, "statement-claims"],
    ["seq 5 without prev", without(claims, "prev"), senml, "statement-claims"],
    ["seq 0 without prev", { ...without(claims, "prev"), seq: 0 }, senml, "accepted"],
    ["readings without ch", without(claims, "ch"), senml, "statement-claims"],
    ["the last number there is", { ...claims, seq: Number.MAX_SAFE_INTEGER }, senml, "accepted"],
    ["seen nothing yet", unseen, senml, "accepted"],
    ["seen a tree of size 0", { ...claims, seen: { size: 0, root: HASH } }, senml, "member-range"],
    ["a registry item with ch", { ...registryClaims, ch: CHAIN }, registry, "statement-claims"],
    ["a registry item with seen", { ...registryClaims, ...(seen && { seen }) }, registry, "statement-claims"],
    [
      "a registry item of a device",
      { ...registryClaims, iss: "city-energy/gw-17" },
      registry,
      "statement-claims",
    ],
    ["a registry item on another stream", { ...registryClaims, sub: "sys" }, registry, "statement-claims"],
    ["readings on the stream registry", { ...claims, sub: "registry" }, senml, "statement-claims"],
    [
      "an operator's readings on the stream registry",
      { ...claims, iss: "city/operator", sub: "registry" },
      senml,
      "statement-claims",
    ],
    ["boot evidence beside sys", claims, eat, "statement-claims"],
    ["heads beside sys", claims, event, "statement-claims"],
    ["lvl 2 without the frame", { ...claims, lvl: 2 }, senml, "statement-claims"],
    ["lvl 2 of an event", { ...claims, sub: "sys", lvl: 2 }, event, "statement-claims"],
    ["lvl 2 of an envelope", { ...claims, lvl: 2 }, { type: "envelope", digest: HASH }, "statement-claims"],
    ["lvl 0 with the frame", { ...claims, lvl: 0 }, { type: "senml", payload: framePayload }, "accepted"],
    ["a reading without time at tq 2", claims, { type: "senml", payload: timelessPayload }, "senml-time"],
    [
      "a reading without time at tq 0",
      { ...without(claims, "iat"), tq: 0 },
      { type: "senml", payload: timelessPayload },
      "accepted",
    ],
    ["readings of another stream", { ...claims, sub: "meter/other" }, senml, "senml-malformed"],
    ["readings of another device", { ...claims, iss: "city-energy/gw-18" }, senml, "senml-malformed"],
    ["an issuer out of form", { ...claims, iss: "City/gw" }, senml, "name-malformed"],
    ["a stream out of form", { ...claims, sub: "Meter" }, senml, "name-malformed"],
    ["a payload that is no pack", claims, { type: "senml", payload: Uint8Array.of(0x80) }, "senml-malformed"],
    ["an event that is none", claims, { type: "event", payload: Uint8Array.of(0xa0) }, "member-missing"],
    [
      "an item that is none",
      registryClaims,
      { type: "registry", payload: Uint8Array.of(0xa0) },
      "member-missing",
    ],
    [
      "boot evidence that is no map",
      { ...claims, sub: "sys" },
      { type: "eat", payload: Uint8Array.of(0x80) },
      "member-type",
    ],
    [
      "boot evidence about another key",
      { ...claims, sub: "sys" },
      { type: "eat", payload: encodeEat({ ...BOOT_EVIDENCE, kid: HASH }) },
      "statement-claims",
    ],
    [
      "an envelope of 31 bytes",
      claims,
      { type: "envelope", digest: HASH.subarray(1) },
      "statement-malformed",
    ],
    [
      "an envelope with a content format",
      claims,
      { type: "envelope", digest: HASH, contentType: 50 },
      "accepted",
    ],
    [
      "an envelope with an endless location",
      claims,
      { type: "envelope", digest: HASH, location: "x".repeat(257) },
      "member-range",
    ],
  ])("%s", async ([, said, content, code]) => {
    expect(await sealRefusal(said, content)).toBe(code);
  });
});

function without(said: Claims, key: keyof Claims): Claims {
  return Object.fromEntries(Object.entries(said).filter(([name]) => name !== key)) as unknown as Claims;
}

describe("headers that only a dishonest signer writes", () => {
  test.for<readonly [string, CborMap, string]>([
    ["as it should be", header(), "accepted"],
    ["alg EdDSA, deprecated", header([1, -8]), "cose-algorithm"],
    ["alg ES256, deprecated", header([1, -7]), "cose-algorithm"],
    ["alg ML-DSA-44", header([1, -48]), "cose-algorithm"],
    ["alg as text", header([1, "Ed25519"]), "member-type"],
    ["no alg", header([1, undefined]), "member-missing"],
    ["no kid", header([4, undefined]), "member-missing"],
    ["a kid of 31 bytes", header([4, HASH.subarray(1)]), "member-range"],
    ["a kid that is a text", header([4, "gw-17"]), "member-type"],
    ["no claims", header([15, undefined]), "member-missing"],
    ["claims as bytes", header([15, HASH]), "member-type"],
    ["no typ", header([16, undefined]), "member-missing"],
    ["the typ of a receipt", header([16, 278]), "statement-malformed"],
    ["typ as media type", header([16, "application/scitt-statement+cose"]), "member-type"],
    ["no content type", header([3, undefined]), "member-missing"],
    ["content type SenML in JSON", header([3, 110]), "statement-malformed"],
    ["an unknown media type", header([3, "application/json"]), "statement-malformed"],
    ["content type and envelope", header([258, -16]), "statement-malformed"],
    ["an envelope of SHA-512", header([3, undefined], [258, -44]), "statement-malformed"],
    [
      "an envelope around a payload that is no hash",
      header([3, undefined], [258, -16]),
      "statement-malformed",
    ],
    ["a location without envelope", header([260, "x"]), "unknown-member"],
    ["crit", header([2, [1]]), "unknown-member"],
    ["x5chain", header([33, HASH]), "unknown-member"],
    ["a label of its own", header(["x", 1]), "unknown-member"],
    ["profile 2", claiming(["v", 2]), "member-range"],
    ["no profile", claiming(["v", undefined]), "member-missing"],
    ["no iss", claiming([1, undefined]), "member-missing"],
    ["exp", claiming([4, NOW]), "unknown-member"],
    ["a claim of its own", claiming(["x", 1]), "unknown-member"],
    ["tq 4", claiming(["tq", 4]), "member-range"],
    ["tq -1", claiming(["tq", -1]), "member-range"],
    ["lvl 3", claiming(["lvl", 3]), "member-range"],
    ["a negative number", claiming(["seq", -1]), "member-range"],
    ["number 2^53", claiming(["seq", 2n ** 53n]), "member-range"],
    ["a chain id of 7 bytes", claiming(["ch", CHAIN.subarray(1)]), "member-range"],
    ["a prev of 31 bytes", claiming(["prev", HASH.subarray(1)]), "member-range"],
    ["seen without a root", claiming(["seen", [5]]), "member-range"],
    ["seen as a map", claiming(["seen", new Map([[1, 5]])]), "member-type"],
    ["iat as text", claiming([6, "2026"]), "member-type"],
  ])("%s", async ([, map, code]) => {
    expect(refusal(await forge(map))).toBe(code);
  });

  test("a header in another order", async () => {
    const encoded = encodeCbor(header());
    // a5 01 32 03 18 70 ...: the first two members change places
    const swapped = Uint8Array.of(0xa5, 0x03, 0x18, 0x70, 0x01, 0x32, ...encoded.subarray(6));
    expect(refusal(await forge(encoded))).toBe("accepted");
    expect(refusal(await forge(swapped))).toBe("cbor-order");
  });

  test("an empty header, and one that is no map", async () => {
    expect(refusal(await forge(new Uint8Array()))).toBe("cose-malformed");
    expect(refusal(await forge(Uint8Array.of(0xa0)))).toBe("member-missing");
    expect(refusal(await forge(encodeCbor([1])))).toBe("cose-malformed");
    expect(refusal(await forge(Uint8Array.of(...encodeCbor(header()), 0)))).toBe("cbor-trailing");
  });
});

describe("the envelope", () => {
  test("anything unprotected is refused", async () => {
    expect(refusal(await forge(header(), readingsPayload, new Map([[4, HASH]])))).toBe("cose-unprotected");
    const receipts = new Map<CborKey, CborValue>([[394, [HASH]]]);
    expect(refusal(await forge(header(), readingsPayload, receipts))).toBe("cose-unprotected");
  });

  test("a missing payload, a short signature, another tag, none, bytes behind", async () => {
    const good = await seal();
    const parts = good.sign1;
    expect(refusal(encodeSign1({ ...parts, payload: null }))).toBe("cose-malformed");
    expect(refusal(encodeSign1({ ...parts, signature: parts.signature.subarray(1) }))).toBe("cose-malformed");
    const { protectedBytes, unprotected, payload, signature } = parts;
    const array = [protectedBytes, unprotected, payload, signature];
    expect(refusal(encodeCbor(array))).toBe("cose-malformed");
    expect(refusal(encodeCbor(new Tagged(98, array)))).toBe("cbor-tag");
    expect(refusal(encodeCbor(new Tagged(18, array.slice(1))))).toBe("cose-malformed");
    expect(refusal(encodeCbor(new Tagged(18, new Tagged(18, array))))).toBe("cose-malformed");
    expect(refusal(Uint8Array.of(...good.bytes, 0))).toBe("cbor-trailing");
    expect(refusal(good.bytes.subarray(0, -1))).toBe("cbor-malformed");
    expect(refusal(new Uint8Array())).toBe("cbor-malformed");
  });

  test("32 KiB, and not one byte more", async () => {
    const { bytes } = await sealStatement(claims, frameOf(30_000), signer);
    const room = 32_768 - bytes.length;
    const full = await sealStatement(claims, frameOf(30_000 + room), signer);
    expect(full.bytes).toHaveLength(32_768);
    expect(await sealRefusal(claims, frameOf(30_001 + room))).toBe("too-large");
    expect(refusal(new Uint8Array(32_769))).toBe("too-large");
  });

  test("a signature with high s, which anybody can make of one with low s, is refused", async () => {
    const hardware = esp256Signer();
    const { sign1 } = await seal({}, undefined, hardware);
    const signature = otherS(sign1.signature);
    expect(refusal(encodeSign1({ ...sign1, signature }))).toBe("signature-invalid");
  });
});

describe("transparent statements", () => {
  const receipt = Uint8Array.of(0xd2, 0x84);

  test("the statement comes back byte for byte, the receipts as they are", async () => {
    const statement = await seal();
    const bytes = encodeTransparent(statement.bytes, [receipt, HASH]);
    expect(parseTransparent(bytes)).toEqual({ statement, receipts: [receipt, HASH] });
    verifyStatement(parseTransparent(bytes).statement, signer.key, nobleProvider);
    expect(refusal(bytes)).toBe("cose-unprotected");
  });

  test("receipts can be put in the place of others", async () => {
    const { bytes } = await seal();
    const first = encodeTransparent(bytes, [receipt]);
    const second = encodeTransparent(parseTransparent(first).statement.bytes, [HASH]);
    expect(parseTransparent(second).receipts).toEqual([HASH]);
  });

  test("1 to 16 receipts and nothing else", async () => {
    const { bytes, sign1 } = await seal();
    const many = (count: number): Uint8Array[] => Array.from({ length: count }, () => receipt);
    expect(parseTransparent(encodeTransparent(bytes, many(16))).receipts).toHaveLength(16);
    expect(codeOf(() => encodeTransparent(bytes, many(17)))).toBe("cose-unprotected");
    expect(codeOf(() => encodeTransparent(bytes, []))).toBe("cose-unprotected");
    const refused = (unprotected: CborMap): string =>
      codeOf(() => parseTransparent(encodeSign1({ ...sign1, unprotected })));
    expect(refused(new Map())).toBe("cose-unprotected");
    expect(refused(new Map([[394, many(17)]]))).toBe("cose-unprotected");
    expect(refused(new Map([[394, []]]))).toBe("cose-unprotected");
    expect(refused(new Map([[394, receipt]]))).toBe("cose-unprotected");
    expect(refused(new Map([[394, [5]]]))).toBe("cose-unprotected");
    expect(
      refused(
        new Map<CborKey, CborValue>([
          [394, [receipt]],
          [4, HASH],
        ]),
      ),
    ).toBe("cose-unprotected");
    expect(refused(new Map([[395, [receipt]]]))).toBe("cose-unprotected");
    expect(refused(new Map([[394, [new Uint8Array(65_537)]]]))).toBe("too-large");
  });

  test("sixteen receipts of the largest size around the largest statement", async () => {
    const { bytes } = await sealStatement(claims, frameOf(32_300), signer);
    const receipts = Array.from({ length: 16 }, () => new Uint8Array(65_536));
    expect(parseTransparent(encodeTransparent(bytes, receipts)).receipts).toHaveLength(16);
  });
});

describe("parts and bytes", () => {
  test("re-encoding the parts of any statement gives its bytes", async () => {
    for (const { claims: said, content } of CONTENTS) {
      const { bytes, sign1 } = await sealStatement(said, content, signer);
      expect(equalBytes(encodeSign1(sign1), bytes)).toBe(true);
      const { header: decoded, ...parts } = parseSign1(bytes, 32_768);
      expect(equalBytes(encodeCbor(decoded), sign1.protectedBytes)).toBe(true);
      expect(parts).toEqual(sign1);
    }
  });
});
