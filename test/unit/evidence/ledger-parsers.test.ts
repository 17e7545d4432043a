/**
 * The parsers of the ledger's side under hostile input: whatever comes, it is refused with a code, or it is what we would have written
 * ourselves, byte for byte. So no two byte strings mean the same.
 *
 * @module
 */
import * as fc from "fast-check";
import { beforeAll, describe, expect, test } from "vitest";
import {
  concatBytes,
  decodeBundle,
  decodeItem,
  decodeLeaf,
  encodeBundle,
  encodeItem,
  encodeLeaf,
  encodeReceipt,
  EVIDENCE_CODES,
  isEvidenceError,
  parsePolicy,
  parseReceipt,
  toHex,
  verify,
  type Statement,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import { createTown, evidenceOf, honest, policyOf, type Town } from "../../support/attacks/town.ts";

/** One thing that an attacker may do to bytes. */
type Edit =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "put" | "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "cut" | "copy"; readonly at: number; readonly length: number };

/** Heads and short items that CBOR gives a meaning, so that edits get past the first byte. */
const PIECES =
  "00 17 1800 20 40 60 80 a0 f4 f6 f7 ff 9f bf 5f c4822001 d2 d9d9f7 61ff 616b f97e00 " +
  "1b7fffffffffffffff 1bffffffffffffffff 9b1000000000000000 fb3ff8000000000000";
const pieces = fc.constantFrom(...PIECES.split(" "));
const place = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });
const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at: place, bit: fc.nat(7) }),
  fc.record({
    kind: fc.constantFrom("put" as const, "insert" as const),
    at: place,
    bytes: fc.oneof(pieces.map(bytesOf), fc.uint8Array({ minLength: 1, maxLength: 9 })),
  }),
  fc.record({
    kind: fc.constantFrom("cut" as const, "copy" as const),
    at: place,
    length: fc.integer({ min: 1, max: 64 }),
  }),
);

function edited(bytes: Uint8Array, one: Edit): Uint8Array {
  const at = Math.floor(one.at * (bytes.length + 1));
  const [head, tail] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (one.kind) {
    case "flip":
      return bytes.map((byte, i) => (i === at ? byte ^ (1 << one.bit) : byte));
    case "put":
      return concatBytes(head, one.bytes, tail.subarray(one.bytes.length));
    case "insert":
      return concatBytes(head, one.bytes, tail);
    case "cut":
      return concatBytes(head, tail.subarray(one.length));
    case "copy":
      return concatBytes(head, tail.subarray(0, one.length), tail);
  }
}

/** Good bytes with a few edits, or bytes of no origin at all. */
const hostile = (good: Uint8Array): fc.Arbitrary<Uint8Array> =>
  fc.oneof(
    {
      weight: 9,
      arbitrary: fc.array(edit, { minLength: 0, maxLength: 4 }).map((edits) => edits.reduce(edited, good)),
    },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  );

/** Refused with a code of the table, or written again as the same bytes. */
function refusedOrSame(bytes: Uint8Array, again: (bytes: Uint8Array) => Uint8Array): void {
  let written: Uint8Array;
  try {
    written = again(bytes);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    expect(EVIDENCE_CODES).toContain(error.code);
    return;
  }
  expect(toHex(written)).toBe(toHex(bytes));
}

let town: Town;
let good: Record<"bundle" | "receipt" | "item" | "leaf", Uint8Array>;
beforeAll(async () => {
  town = await createTown();
  const { world, meter } = town;
  const bundle = honest(town);
  const item = world.items[2] as Statement;
  if (item.content.type !== "registry") throw new Error("no item");
  const small = {
    ...bundle,
    statements: bundle.statements.slice(0, 2),
    registry: bundle.registry.slice(0, 1),
  };
  good = {
    bundle: encodeBundle(small),
    receipt: world.receipt(meter.statements),
    item: item.content.payload,
    leaf: bundle.keys[0]?.leaf ?? new Uint8Array(),
  };
});

const PARSERS: [keyof typeof good, (bytes: Uint8Array) => Uint8Array][] = [
  ["bundle", (bytes) => encodeBundle(decodeBundle(bytes))],
  ["item", (bytes) => encodeItem(decodeItem(bytes))],
  ["leaf", (bytes) => encodeLeaf(decodeLeaf(bytes))],
  [
    "receipt",
    (bytes) => {
      const { sign1, size, proofs } = parseReceipt(bytes);
      return encodeReceipt(
        { protectedBytes: sign1.protectedBytes, signature: sign1.signature, size },
        proofs,
      );
    },
  ],
];

describe.each(PARSERS)("%s", (name, again) => {
  test("the good one is written again as it was", () => {
    expect(toHex(again(good[name]))).toBe(toHex(good[name]));
  });

  test("is refused with a code, or means what only these bytes mean", () => {
    fc.assert(
      fc.property(hostile(good[name]), (bytes) => refusedOrSame(bytes, again)),
      { numRuns: 3000, seed: 20261120 },
    );
  });
});

test("verify never throws, and every verdict but a good one has a code", async () => {
  const { bytes } = await evidenceOf(town, honest(town));
  const options = { policy: parsePolicy(policyOf(town)), provider: createNodeProvider() };
  fc.assert(
    fc.property(hostile(bytes), (changed) => {
      const { verdict, code } = verify(changed, options);
      expect(code === undefined).toBe(verdict === "verified" || verdict === "restricted");
      if (code !== undefined) expect(EVIDENCE_CODES).toContain(code);
    }),
    { numRuns: 500, seed: 20261120 },
  );
});
