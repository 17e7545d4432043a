import {
  concatBytes,
  decodeDown,
  encodeCbor,
  encodeDown,
  encodeSequence,
  encodeSign1,
  encodeTransparent,
  splitUp,
  Tagged,
  type CborKey,
  type CborValue,
  type DownMessage,
} from "@tallystick/evidence";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { forge, goodHeader, HASH, seal, withChanges } from "../../support/statements.ts";
import { codeOf } from "../../support/vectors.ts";

const other = new Uint8Array(32).fill(8);

/** Something with the typ of a receipt, and no more. */
const receipt = encodeSign1({
  protectedBytes: encodeCbor(
    new Map<CborKey, CborValue>([
      [1, -19],
      [16, 278],
      [395, 1],
    ]),
  ),
  unprotected: new Map(),
  payload: null,
  signature: new Uint8Array(64),
});

describe("up", () => {
  test("statements and receipts are told by their typ", async () => {
    const first = await seal();
    const second = await seal({ seq: 6 });
    const { items, rest } = splitUp(concatBytes(first.bytes, receipt, second.bytes));
    expect(rest).toBeUndefined();
    expect(items).toEqual([
      { kind: "statement", bytes: first.bytes },
      { kind: "receipt", bytes: receipt },
      { kind: "statement", bytes: second.bytes },
    ]);
  });

  test("nothing is nothing", () => {
    expect(splitUp(new Uint8Array())).toEqual({ items: [] });
  });

  test("the first malformed item ends the message, and the rest begins with it", async () => {
    const { bytes, sign1 } = await seal();
    const end = async (middle: Uint8Array): Promise<string> => {
      const up = splitUp(concatBytes(bytes, middle, bytes));
      expect(up.items).toEqual([{ kind: "statement", bytes }]);
      expect(up.rest?.bytes).toEqual(concatBytes(middle, bytes));
      return up.rest?.error.code ?? "accepted";
    };
    expect(await end(Uint8Array.of(0xff))).toBe("cbor-malformed");
    expect(await end(Uint8Array.of(0x05))).toBe("cose-malformed");
    expect(await end(encodeCbor([sign1.protectedBytes, new Map(), HASH, HASH]))).toBe("cose-malformed");
    expect(await end(encodeCbor(new Tagged(18, [sign1.protectedBytes, new Map(), HASH])))).toBe(
      "cose-malformed",
    );
    expect(await end(encodeCbor(new Tagged(18, [5, new Map(), HASH, HASH])))).toBe("cose-malformed");
    expect(await end(await forge(withChanges(goodHeader(), [[16, 279]])))).toBe("cose-malformed");
    expect(await end(await forge(withChanges(goodHeader(), [[16, undefined]])))).toBe("cose-malformed");
    expect(await end(await forge(withChanges(goodHeader(), [[16, "277"]])))).toBe("cose-malformed");
    expect(await end(await forge(encodeCbor([1])))).toBe("cose-malformed");
    expect(await end(await forge(Uint8Array.of(0xa1, 0x10)))).toBe("cbor-malformed");
    expect(await end(await forge(new Uint8Array()))).toBe("cbor-malformed");
    expect(await end(encodeCbor(new Tagged(98, [])))).toBe("cbor-tag");
  });

  test("a statement that is wrong inside is an item all the same: it has a hash to be rejected under", async () => {
    const wrong = await forge(withChanges(goodHeader(), [[1, -8]]));
    expect(splitUp(wrong)).toEqual({ items: [{ kind: "statement", bytes: wrong }] });
    const transparent = encodeTransparent((await seal()).bytes, [receipt]);
    expect(splitUp(transparent).items).toHaveLength(1);
  });

  test("512 items, 64 KiB, statements of 32 KiB", async () => {
    const small = receipt;
    const many = (count: number): Uint8Array => concatBytes(...Array.from({ length: count }, () => small));
    expect(splitUp(many(512)).items).toHaveLength(512);
    const over = splitUp(many(513));
    expect(over.items).toHaveLength(512);
    expect(over.rest).toMatchObject({ bytes: small, error: { code: "too-large" } });
    const whole = new Uint8Array(65_537);
    expect(splitUp(whole)).toMatchObject({ items: [], rest: { bytes: whole, error: { code: "too-large" } } });
    const large = await forge(goodHeader(), new Uint8Array(33_000));
    expect(splitUp(large)).toMatchObject({ items: [], rest: { error: { code: "too-large" } } });
  });

  test("no bytes make it throw, and nothing is lost", async () => {
    const { bytes } = await seal();
    const edit = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 4 }), (edits) => {
        const changed = concatBytes(bytes, receipt, bytes);
        for (const [at, byte] of edits) changed[at % changed.length] = byte;
        const { items, rest } = splitUp(changed);
        expect(concatBytes(...items.map((item) => item.bytes), rest?.bytes ?? new Uint8Array())).toEqual(
          changed,
        );
      }),
      { numRuns: 3000 },
    );
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => void splitUp(noise)));
  });
});

describe("down", () => {
  const messages: readonly DownMessage[] = [
    { kind: "receipt", hashes: [HASH, other], receipt },
    { kind: "rejected", hash: HASH, code: "key-unknown", text: "no such key" },
    { kind: "wanted", hashes: [other] },
  ];

  test("comes back as it was said, in order", () => {
    expect(decodeDown(concatBytes(...messages.map(encodeDown)))).toEqual(messages);
    expect(decodeDown(new Uint8Array())).toEqual([]);
  });

  test("its bytes are those of the format", () => {
    expect(encodeDown(messages[1] as DownMessage)).toEqual(
      encodeCbor([2, HASH, "key-unknown", "no such key"]),
    );
  });

  test.for<readonly [string, CborValue, string]>([
    ["an unknown message", [4, [HASH]], "unknown-member"],
    ["no array", 5, "unknown-member"],
    ["an empty array", [], "unknown-member"],
    ["a receipt for nothing", [1, [], receipt], "member-range"],
    ["a receipt with more to it", [1, [HASH], receipt, 1], "member-range"],
    ["a receipt that is not wrapped", [1, [HASH], 5], "member-type"],
    ["a short hash", [1, [HASH.subarray(1)], receipt], "member-range"],
    ["hashes that are none", [3, ["x"]], "member-type"],
    ["hashes that are no list", [3, HASH], "member-type"],
    ["a request for nothing", [3, []], "member-range"],
    ["a code with a space", [2, HASH, "key unknown", ""], "member-range"],
    ["a code in capitals", [2, HASH, "KEY", ""], "member-range"],
    ["an empty code", [2, HASH, "", ""], "member-range"],
    ["an endless code", [2, HASH, "a".repeat(65), ""], "member-range"],
    ["an endless text", [2, HASH, "fork", "x".repeat(257)], "member-range"],
    ["a tagged message", new Tagged(18, []), "cbor-tag"],
  ])("%s is refused, and the message with it", ([, item, code]) => {
    expect(codeOf(() => decodeDown(encodeSequence([[3, [HASH]], item])))).toBe(code);
  });

  test("64 KiB and not more", () => {
    const hashes = Array.from({ length: 1927 }, () => HASH);
    expect(encodeDown({ kind: "wanted", hashes }).length).toBeLessThanOrEqual(65_536);
    expect(codeOf(() => encodeDown({ kind: "wanted", hashes: [...hashes, HASH] }))).toBe("too-large");
    expect(codeOf(() => decodeDown(new Uint8Array(65_537)))).toBe("too-large");
  });

  test("what would not be read is not written", () => {
    expect(codeOf(() => encodeDown({ kind: "wanted", hashes: [] }))).toBe("member-range");
    expect(codeOf(() => encodeDown({ kind: "rejected", hash: HASH, code: "Bad", text: "" }))).toBe(
      "member-range",
    );
  });

  test("no bytes make it throw anything but a code", () => {
    const whole = concatBytes(...messages.map(encodeDown));
    fc.assert(
      fc.property(fc.nat({ max: whole.length - 1 }), fc.integer({ min: 0, max: 255 }), (at, byte) => {
        const changed = whole.with(at, byte);
        if (codeOf(() => decodeDown(changed)) === "accepted") {
          expect(concatBytes(...decodeDown(changed).map(encodeDown))).toEqual(changed);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
