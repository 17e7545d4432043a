/**
 * An attacker changes one bit of a statement, any bit: never is it still a good statement, and the code says where it broke.
 *
 * @module
 */
import {
  decimal,
  encodeEvent,
  encodePack,
  encodeSign1,
  isEvidenceError,
  parseStatement,
  sealStatement,
  toHex,
  verifyStatement,
  type EvidenceCode,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { claims, events, readings } from "../../support/arbitraries.ts";
import { flipBit } from "../../support/bit-flips.ts";
import { CONTENTS, esp256Signer, seal, signer } from "../../support/statements.ts";

const provider = createNodeProvider();

/** The code with which a whole reading, signature included, refuses; undefined where it is a good statement. */
function refusal(bytes: Uint8Array, key = signer.key): EvidenceCode | undefined {
  try {
    verifyStatement(parseStatement(bytes), key, provider);
    return undefined;
  } catch (error) {
    if (isEvidenceError(error)) return error.code;
    throw error;
  }
}

type Region = "frame" | "protected" | "payload" | "signature";

/** Where the parts of a statement lie in its bytes; what is between them is the frame: tag, heads, the empty map. */
function regionsOf({ bytes, sign1 }: Statement): (offset: number) => Region {
  const offsetOf = (part: Uint8Array): number => part.byteOffset - bytes.byteOffset;
  const parts = [
    ["protected", sign1.protectedBytes],
    ["payload", sign1.payload ?? new Uint8Array()],
    ["signature", sign1.signature],
  ] as const;
  return (offset) =>
    parts.find(([, part]) => offset >= offsetOf(part) && offset < offsetOf(part) + part.length)?.[0] ??
    "frame";
}

const CBOR = [
  "cbor-malformed",
  "cbor-duplicate-key",
  "cbor-order",
  "cbor-depth",
  "cbor-tag",
  "cbor-trailing",
  "cbor-decimal",
];
const SHAPE = ["unknown-member", "member-missing", "member-type", "member-range"];
const ALLOWED: { readonly [R in Region]: readonly string[] } = {
  frame: [...CBOR, "cose-malformed", "cose-unprotected", "signature-invalid"],
  protected: [
    ...CBOR,
    ...SHAPE,
    "cose-algorithm",
    "key-mismatch", // the kid, or the algorithm
    "name-malformed",
    "statement-malformed",
    "statement-claims",
    "senml-malformed", // the names no longer are those of the pack
    "event-malformed",
    "registry-malformed",
    "signature-invalid",
  ],
  payload: [
    ...CBOR,
    ...SHAPE,
    "statement-claims", // the frame of lvl 2 is no longer named so
    "senml-malformed",
    "senml-unit",
    "senml-time",
    "event-malformed",
    "registry-malformed",
    "name-malformed",
    "key-malformed",
    "signature-invalid",
  ],
  signature: ["signature-invalid"],
};

describe("every single bit of a statement", () => {
  test.for(CONTENTS)("$name", async ({ claims: said, content }) => {
    const statement = await sealStatement(said, content, signer);
    const regionOf = regionsOf(statement);
    for (let bit = 0; bit < 8 * statement.bytes.length; bit++) {
      const region = regionOf(bit >> 3);
      const code = refusal(flipBit(statement.bytes, bit));
      if (code === undefined || !ALLOWED[region].includes(code)) {
        expect.fail(`bit ${bit}, ${region}: ${code ?? "accepted"}`);
      }
    }
    expect(refusal(statement.bytes)).toBeUndefined();
  });

  test("ESP256", async () => {
    const hardware = esp256Signer();
    const statement = await seal({}, undefined, hardware);
    for (let bit = 0; bit < 8 * statement.bytes.length; bit++) {
      if (refusal(flipBit(statement.bytes, bit), hardware.key) === undefined)
        expect.fail(`bit ${bit} was accepted`);
    }
  });

  test("where the form stays good, it is the signature that is not", async () => {
    const { bytes, sign1 } = await seal();
    const text = new TextDecoder("latin1").decode(bytes);
    const flipAt = (what: string): EvidenceCode | undefined =>
      refusal(flipBit(bytes, 8 * (text.indexOf(what) + what.length - 1)));
    expect(flipAt("1-0:1.8.1")).toBe("signature-invalid"); // another register
    expect(flipAt("kWh")).toBe("senml-unit");
    expect(flipAt("no-zone")).toBe("senml-malformed");
    expect(flipAt("prev")).toBe("unknown-member");
    const valueAt = sign1.signature.byteOffset - bytes.byteOffset - 40;
    expect(refusal(flipBit(bytes, 8 * valueAt))).toBeDefined();
  });
});

describe("for all statements", () => {
  const packs = fc
    .tuple(claims, fc.array(readings({ untimed: true }), { minLength: 1, maxLength: 8 }))
    .map(([said, list]) => ({
      said,
      content: {
        type: "senml" as const,
        payload: encodePack(
          `${said.iss}/${said.sub}/`,
          said.tq === 0 ? list : list.map((one) => ({ ...one, time: one.time ?? decimal(1_790_000_000) })),
        ),
      },
    }));
  const eventful = fc.tuple(claims, events).map(([said, event]) => ({
    said: event.kind === "heads" || event.kind === "key-rotated" ? { ...said, sub: "sys" } : said,
    content: { type: "event" as const, payload: encodeEvent(event) },
  }));
  const envelopes = fc
    .tuple(claims, fc.uint8Array({ minLength: 32, maxLength: 32 }))
    .map(([said, digest]) => ({ said, content: { type: "envelope" as const, digest } }));
  const all = fc.oneof(packs, eventful, envelopes);

  test("what is sealed is parsed as it was said, verifies, and its parts re-encode to its bytes", async () => {
    await fc.assert(
      fc.asyncProperty(all, async ({ said, content }) => {
        const statement = await sealStatement(said, content, signer);
        const parsed = parseStatement(statement.bytes);
        expect(parsed.claims).toEqual(said);
        expect(parsed.content).toEqual(content);
        expect(refusal(statement.bytes)).toBeUndefined();
        expect(toHex(encodeSign1(parsed.sign1))).toBe(toHex(statement.bytes));
      }),
      { numRuns: 300 },
    );
  });

  test("changed, cut or lengthened bytes are refused with a code", async () => {
    const originals = await Promise.all(
      CONTENTS.map(async ({ claims: said, content }) => (await sealStatement(said, content, signer)).bytes),
    );
    const edits = fc.array(
      fc.record({ at: fc.nat(), remove: fc.nat({ max: 3 }), insert: fc.uint8Array({ maxLength: 3 }) }),
      { minLength: 1, maxLength: 3 },
    );
    fc.assert(
      fc.property(fc.constantFrom(...originals), edits, (original, list) => {
        let bytes = [...original];
        for (const { at, remove, insert } of list)
          bytes = bytes.toSpliced(at % bytes.length, remove, ...insert);
        const changed = Uint8Array.from(bytes);
        fc.pre(toHex(changed) !== toHex(original));
        expect(refusal(changed)).toBeDefined();
      }),
      { numRuns: 5000 },
    );
  });
});
