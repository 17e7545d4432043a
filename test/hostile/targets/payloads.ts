/**
 * What stands inside of statements and bundles: events, packs, registry items, key states, keys, and CBOR by itself. None of it is signed here; so what
 * is accepted has to be the one encoding of what it says.
 *
 * @module
 */
import {
  checkPack,
  coseKey,
  decodeCbor,
  decodeEvent,
  decodeItem,
  decodeLeaf,
  decodePack,
  encodeCbor,
  encodeEvent,
  encodeItem,
  encodeLeaf,
  encodePack,
  equalBytes,
  fromHex,
  isEvidenceError,
  parseCoseKey,
  type Statement,
} from "@tallystick/evidence";
import type { Corpus } from "../corpus.ts";
import { must, refusal, type Seed, type Target } from "../target.ts";

const seedsOf = <T>(
  statements: readonly Statement[],
  type: Statement["content"]["type"],
  about: (one: Statement) => T,
): Seed<T>[] =>
  statements
    .filter(({ content }) => content.type === type)
    .map((one, i) => ({
      name: `${type} ${i}`,
      bytes: one.sign1.payload ?? new Uint8Array(),
      about: about(one),
    }));

/** Reads and writes again: what is accepted is the one encoding. */
function canonical<T>(read: (bytes: Uint8Array) => T, write: (value: T) => Uint8Array) {
  return (bytes: Uint8Array): string =>
    refusal(() => {
      must(equalBytes(write(read(bytes)), bytes), "read, and written otherwise");
      return "accepted";
    });
}

const SHAPES = ["unknown-member", "member-missing", "member-type", "member-range"] as const;
const CBOR = [
  "cbor-malformed",
  "cbor-duplicate-key",
  "cbor-order",
  "cbor-depth",
  "cbor-tag",
  "cbor-trailing",
  "cbor-decimal",
] as const;

const RULES = { maxBytes: 1 << 20, tags: [18], floats: true, deterministic: true };

/** cbor-x would write it as a bignum, and the writer refuses it. */
const unwritten = (error: unknown): boolean => isEvidenceError(error) && error.code === "cbor-malformed";

export function payloadTargets(corpus: Corpus): readonly Target[] {
  const { statements, vectors } = corpus;
  const events: Target = {
    name: "event",
    nature: "cbor",
    weight: 8,
    seeds: seedsOf(statements, "event", () => undefined),
    run: canonical(decodeEvent, encodeEvent),
    expected: [...CBOR, ...SHAPES, "event-malformed", "key-malformed", "accepted"],
  };
  const packs: Target<string> = {
    name: "pack",
    nature: "cbor",
    weight: 8,
    seeds: seedsOf(statements, "senml", ({ claims }) => `${claims.iss}/${claims.sub}/`),
    run: (bytes, { about: base }) =>
      refusal(() => {
        const { records } = checkPack(bytes, base);
        const readings = decodePack(bytes, base);
        must(readings.length === records, "check and decode count differently");
        // any order is allowed in a pack: what is compared is what it says
        const again = decodePack(encodePack(base, readings), base);
        must(
          JSON.stringify(again, shown) === JSON.stringify(readings, shown),
          "says something else when written again",
        );
        return "accepted";
      }),
    expected: [
      "cbor-malformed",
      "cbor-duplicate-key",
      "cbor-trailing",
      "cbor-decimal",
      "cbor-tag",
      "senml-malformed",
      "senml-unit",
      "senml-time",
      "unknown-member",
      "accepted",
    ],
  };
  const items: Target = {
    name: "item",
    nature: "cbor",
    weight: 6,
    seeds: seedsOf(statements, "registry", () => undefined),
    run: canonical(decodeItem, encodeItem),
    expected: [...CBOR, ...SHAPES, "registry-malformed", "key-malformed", "name-malformed", "accepted"],
  };
  const leaves: Target = {
    name: "leaf",
    nature: "cbor",
    weight: 3,
    seeds: vectors.leaves.map((hex, i) => ({ name: `leaf ${i}`, bytes: fromHex(hex), about: undefined })),
    run: canonical(decodeLeaf, encodeLeaf),
    expected: [...CBOR.filter((code) => code !== "cbor-order"), "member-type", "member-range", "accepted"],
  };
  const keys: Target = {
    name: "key",
    nature: "cbor",
    weight: 2,
    seeds: vectors.coseKeys.map((hex, i) => ({ name: `key ${i}`, bytes: fromHex(hex), about: undefined })),
    run: canonical(
      (bytes) => parseCoseKey(decodeCbor(bytes, { maxBytes: 1024 })),
      (key) => encodeCbor(coseKey(key)),
    ),
    expected: [...CBOR, ...SHAPES, "key-malformed", "accepted"],
  };
  const cbor: Target = {
    name: "cbor",
    nature: "cbor",
    weight: 6,
    seeds: vectors.cbor.map(({ name, hex }) => ({ name, bytes: fromHex(hex), about: undefined })),
    run: (bytes) =>
      refusal(() => {
        const value = decodeCbor(bytes, RULES);
        try {
          must(equalBytes(encodeCbor(value), bytes), "read, and written otherwise");
        } catch (error) {
          if (!unwritten(error)) throw error;
          return "accepted, not written";
        }
        return "accepted";
      }),
    expected: [...CBOR, "accepted"],
  };
  return [events, packs as Target, items, leaves, keys, cbor];
}

const shown = (_: string, value: unknown): unknown => {
  if (typeof value === "bigint") return `${value}n`;
  return value instanceof Uint8Array ? Buffer.from(value).toString("hex") : value;
};
