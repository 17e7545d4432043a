/**
 * SenML packs of the closed profile: what is written, what is read, what is refused.
 *
 * @module
 */
import {
  checkPack,
  decimal,
  Decimal,
  decodeCbor,
  decodePack,
  encodeCbor,
  encodePack,
  Float,
  formatDecimal,
  parseDecimal,
  Tagged,
  toHex,
  type CborKey,
  type CborMap,
  type CborValue,
  type Reading,
} from "@tallystick/evidence";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readings } from "../../support/arbitraries.ts";
import { codeOf } from "../../support/vectors.ts";

const BASE = "city-energy/gw-17/meter/m-0417/";
const NOW = 1_790_000_000;

const reading = (name: string, v: string, time: string, more: Partial<Reading> = {}): Reading => ({
  name,
  value: { v: parseDecimal(v) },
  time: parseDecimal(time),
  quality: [],
  ...more,
});

/** A record written by label. */
const record = (...fields: readonly (readonly [CborKey, CborValue])[]): CborMap => new Map(fields);
const FIRST = [
  [-2, BASE],
  [-3, NOW],
] as const;
/** A pack whose first record is good, with these fields besides. */
const oneRecord = (...fields: readonly (readonly [CborKey, CborValue])[]): Uint8Array =>
  encodeCbor([record(...FIRST, ...fields)]);

const refusal = (bytes: Uint8Array): string => {
  const code = codeOf(() => decodePack(bytes, BASE));
  expect(codeOf(() => checkPack(bytes, BASE))).toBe(code); // one walk, two callers
  return code;
};

describe("writing", () => {
  test("base name and base time once, offsets small, digits as sent", () => {
    const pack = encodePack(BASE, [
      reading("1-0:1.8.1", "001581.123", "1790000000", { unit: "kWh" }),
      reading("1-0:1.8.2", "1.50", "1790000001.250", { unit: "kWh" }),
    ]);
    expect(decodeCbor(pack, { maxBytes: 1000 })).toEqual([
      record([0, "1-0:1.8.1"], [1, "kWh"], [2, decimal(1581123, -3)], [-1, 26], [-2, BASE], [-3, NOW]),
      record([0, "1-0:1.8.2"], [1, "kWh"], [2, decimal(150, -2)], [6, decimal(1250, -3)]),
    ]);
  });

  test("no bver without a secondary unit", () => {
    const [first] = decodeCbor(encodePack(BASE, [reading("u", "230", "1790000000", { unit: "V" })]), {
      maxBytes: 1000,
    }) as CborMap[];
    expect(first?.has(-1)).toBe(false);
  });

  test("no base time where a reading has none", () => {
    const untimed: Reading = { name: "b", value: { vb: true }, time: null, quality: [] };
    const pack = encodePack(BASE, [reading("a", "1", "1790000000"), untimed]);
    expect(decodePack(pack, BASE).map(({ time }) => time && formatDecimal(time))).toEqual([
      "1790000000",
      null,
    ]);
    expect(checkPack(pack, BASE)).toEqual({ records: 2, untimed: 1, frames: 0 });
  });

  test("qualities in the order of the list, whatever order they come in", () => {
    const pack = encodePack(BASE, [reading("a", "1", "1790000000", { quality: ["backfill", "no-zone"] })]);
    expect(decodePack(pack, BASE)[0]?.quality).toEqual(["no-zone", "backfill"]);
  });

  test("a whole float is written as the integer that it is", () => {
    const pack = encodePack(BASE, [{ name: "a", value: { v: new Float(21) }, time: null, quality: [] }]);
    expect(decodePack(pack, BASE)[0]?.value).toEqual({ v: decimal(21) });
  });

  test.for([
    ["no readings", [], "senml-malformed"],
    ["an unknown unit", [reading("a", "1", "1790000000", { unit: "kwh" })], "senml-unit"],
    ["a relative time", [reading("a", "1", "268435455")], "senml-time"],
    ["a name with *", [reading("1-0:1.8.0*255", "1", "1790000000")], "senml-malformed"],
    [
      "a quality twice",
      [reading("a", "1", "1790000000", { quality: ["future", "future"] })],
      "senml-malformed",
    ],
    [
      "an unknown quality",
      [reading("a", "1", "1790000000", { quality: ["good" as "future"] })],
      "senml-malformed",
    ],
    ["a raw record that is no frame", [reading("raw", "1", "1790000000")], "senml-malformed"],
  ] as const)("refuses %s", ([, list, code]) => {
    expect(codeOf(() => encodePack(BASE, list))).toBe(code);
  });

  test("what generators say comes back as it was, to the digit", () => {
    fc.assert(
      fc.property(
        fc.boolean(),
        fc.array(readings({ untimed: true }), { minLength: 1, maxLength: 12 }),
        (timed, list) => {
          const said = timed ? list.map((one) => ({ ...one, time: one.time ?? decimal(NOW) })) : list;
          const pack = encodePack(BASE, said);
          expect(decodePack(pack, BASE)).toEqual(said);
          expect(toHex(encodePack(BASE, decodePack(pack, BASE)))).toBe(toHex(pack));
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe("reading", () => {
  test("base time, value and sum are added exactly, base unit is a default", () => {
    const pack = encodeCbor([
      record(...FIRST, [-4, "V"], [-5, decimal(1, -1)], [-6, decimal(1000)], [0, "a"], [2, decimal(2, -1)]),
      record([0, "b"], [1, "A"], [2, decimal(20, -2)], [6, decimal(-5, -1)]),
      record([0, "c"], [5, 7], [7, 60]),
      record([0, "d"], [3, "text"], [-3, NOW + 10], [-4, "W"]),
      record([0, "e"], [2, 1], ["rx", NOW + 11], ["q", ["no-zone", "future"]]),
    ]);
    expect(decodePack(pack, BASE)).toEqual([
      { name: "a", unit: "V", value: { v: decimal(3, -1) }, time: decimal(NOW), quality: [] },
      { name: "b", unit: "A", value: { v: decimal(30, -2) }, time: decimal(NOW * 10 - 5, -1), quality: [] },
      {
        name: "c",
        unit: "V",
        value: { s: decimal(1007) },
        time: decimal(NOW),
        quality: [],
        updateTime: decimal(60),
      },
      { name: "d", unit: "W", value: { vs: "text" }, time: decimal(NOW + 10), quality: [] },
      {
        name: "e",
        unit: "W",
        value: { v: decimal(11, -1) },
        time: decimal(NOW + 10),
        quality: ["no-zone", "future"],
        received: decimal(NOW + 11),
      },
    ]);
  });

  test("any order of the fields is read, as RFC 8428 has it", () => {
    // {2: 5, 0: "a", -3: 1790000000, -2: BASE}: values before names, base fields last first
    const scrambled = `81a4020500616122${toHex(encodeCbor(NOW))}21${toHex(encodeCbor(BASE))}`;
    const pack = Uint8Array.from(Buffer.from(scrambled, "hex"));
    expect(decodePack(pack, BASE)).toEqual(decodePack(oneRecord([0, "a"], [2, 5]), BASE));
    const twice = Uint8Array.from(
      Buffer.from(scrambled.replace("81a40205006161", "81a5020500616102 05".replaceAll(" ", "")), "hex"),
    );
    expect(refusal(twice)).toBe("cbor-duplicate-key");
  });

  test("a record without a name is the base name itself", () => {
    expect(decodePack(oneRecord([2, 5]), BASE)[0]?.name).toBe("");
  });

  test("the widest number passes through", () => {
    const widest = new Decimal(-(2n ** 128n - 1n), -32);
    expect(decodePack(oneRecord([2, widest]), BASE)[0]?.value).toEqual({ v: widest });
  });

  test("integers beyond 53 and up to 64 bits keep every digit", () => {
    for (const n of [2n ** 53n, 2n ** 64n - 1n, 1n - 2n ** 64n]) {
      expect(decodePack(oneRecord([2, n]), BASE)[0]?.value).toEqual({ v: new Decimal(n, 0) });
    }
  });

  test("4096 records, and not one more", () => {
    const many = (count: number): Uint8Array =>
      encodeCbor(Array.from({ length: count }, (_, i) => record(...(i === 0 ? FIRST : []), [4, true])));
    expect(decodePack(many(4096), BASE)).toHaveLength(4096);
    expect(refusal(many(4097))).toBe("too-large");
  });

  test("as large as a statement, and not larger", () => {
    const frame = (length: number): Uint8Array => oneRecord([0, "raw"], [8, new Uint8Array(length)]);
    const room = 32_768 - frame(30_000).length;
    expect(decodePack(frame(30_000 + room), BASE)).toHaveLength(1);
    expect(refusal(frame(30_001 + room))).toBe("too-large");
  });

  test("a time far below one second after the base is still absolute", () => {
    expect(decodePack(oneRecord([2, 1], [6, decimal(1, -28)]), BASE)[0]?.time).toEqual(
      new Decimal(BigInt(NOW) * 10n ** 28n + 1n, -28),
    );
    expect(refusal(oneRecord([2, 1], [6, decimal(1, -32)]))).toBe("cbor-decimal"); // the sum has too many digits
  });
});

describe("refusals", () => {
  test.for<readonly [string, Uint8Array, string]>([
    ["an empty pack", encodeCbor([]), "senml-malformed"],
    ["a map", encodeCbor(new Map()), "senml-malformed"],
    ["a record that is no map", encodeCbor([1]), "senml-malformed"],
    ["no base name", encodeCbor([record([-3, NOW], [2, 1])]), "senml-malformed"],
    [
      "another base name",
      encodeCbor([record([-2, "city-energy/gw-18/meter/m-0417/"], [2, 1])]),
      "senml-malformed",
    ],
    [
      "a base name without its slash",
      encodeCbor([record([-2, BASE.slice(0, -1)], [2, 1])]),
      "senml-malformed",
    ],
    [
      "a second base name",
      encodeCbor([record(...FIRST, [2, 1]), record([-2, BASE], [2, 1])]),
      "senml-malformed",
    ],
    ["a base name that is a number", encodeCbor([record([-2, 1], [2, 1])]), "senml-malformed"],
    ["bver 5", oneRecord([-1, 5], [2, 1]), "senml-malformed"],
    [
      "bver 26 only later",
      encodeCbor([record(...FIRST, [2, 1]), record([-1, 26], [2, 1])]),
      "senml-malformed",
    ],
    ["no value", oneRecord([0, "a"]), "senml-malformed"],
    ["v and vs", oneRecord([2, 1], [3, "a"]), "senml-malformed"],
    ["v and s", oneRecord([2, 1], [5, 1]), "senml-malformed"],
    ["a text as number", oneRecord([2, "1"]), "senml-malformed"],
    ["a number as text", oneRecord([3, 1]), "senml-malformed"],
    ["null as truth", oneRecord([4, null]), "senml-malformed"],
    ["a text as bytes", oneRecord([8, "a"]), "senml-malformed"],
    ["a float as time", oneRecord([2, 1], [6, new Float(0.5)]), "senml-malformed"],
    [
      "a float as base time",
      encodeCbor([record([-2, BASE], [-3, new Float(NOW + 0.5)], [2, 1])]),
      "senml-malformed",
    ],
    ["a float on a base value", oneRecord([-5, 1], [2, new Float(0.5)]), "senml-malformed"],
    ["a float as rx", oneRecord([2, 1], ["rx", new Float(NOW + 0.5)]), "senml-malformed"],
    ["a float as ut", oneRecord([2, 1], [7, new Float(0.5)]), "senml-malformed"],
    ["a name that is a number", oneRecord([0, 1], [2, 1]), "senml-malformed"],
    ["a name with a space", oneRecord([0, "a b"], [2, 1]), "senml-malformed"],
    ["a name beyond ASCII", oneRecord([0, "é"], [2, 1]), "senml-malformed"],
    ["an unknown label", oneRecord([9, 1], [2, 1]), "unknown-member"],
    ["an unknown base label", oneRecord([-7, 1], [2, 1]), "unknown-member"],
    ["a huge label", oneRecord([2 ** 33, 1], [2, 1]), "unknown-member"],
    ["an unknown text label", oneRecord(["ct", "a"], [2, 1]), "unknown-member"],
    ["a label that must be understood", oneRecord(["x_", 1], [2, 1]), "unknown-member"],
    ["an unknown unit", oneRecord([1, "kwh"], [2, 1]), "senml-unit"],
    ["an empty unit", oneRecord([1, ""], [2, 1]), "senml-unit"],
    ["kWh under bver 10", oneRecord([1, "kWh"], [2, 1]), "senml-unit"],
    ["kWh under bver 10, said", oneRecord([-1, 10], [1, "kWh"], [2, 1]), "senml-unit"],
    ["kWh as base unit under bver 10", oneRecord([-4, "kWh"], [2, 1]), "senml-unit"],
    ["an unknown base unit, though unused", oneRecord([-4, "x"], [1, "V"], [2, 1]), "senml-unit"],
    ["a relative base time", encodeCbor([record([-2, BASE], [-3, 2 ** 28 - 1], [2, 1])]), "senml-time"],
    ["a relative time", encodeCbor([record([-2, BASE], [2, 1], [6, -1])]), "senml-time"],
    ["a sum that falls below 2^28", oneRecord([2, 1], [6, 2 ** 28 - NOW - 1]), "senml-time"],
    ["a relative rx", oneRecord([2, 1], ["rx", 5]), "senml-time"],
    ["no quality in q", oneRecord([2, 1], ["q", []]), "senml-malformed"],
    ["a quality twice", oneRecord([2, 1], ["q", ["future", "future"]]), "senml-malformed"],
    ["qualities in another order", oneRecord([2, 1], ["q", ["backfill", "future"]]), "senml-malformed"],
    ["an unknown quality", oneRecord([2, 1], ["q", ["good"]]), "senml-malformed"],
    ["a quality that is a number", oneRecord([2, 1], ["q", [1]]), "senml-malformed"],
    ["q that is a text", oneRecord([2, 1], ["q", "future"]), "senml-malformed"],
    ["a raw record that is a text", oneRecord([0, "raw"], [3, "frame"]), "senml-malformed"],
    [
      "a sum that overflows",
      oneRecord([-5, new Decimal(2n ** 128n - 1n, 0)], [2, new Decimal(1n, 0)]),
      "cbor-decimal",
    ],
    ["a tag of time", oneRecord([2, 1], [6, new Tagged(1, 5)]), "cbor-tag"],
    ["bytes behind the pack", Uint8Array.of(...oneRecord([2, 1]), 0), "cbor-trailing"],
    ["nothing", new Uint8Array(), "cbor-malformed"],
  ])("%s", ([, bytes, code]) => {
    expect(refusal(bytes)).toBe(code);
  });

  test("2^28 itself is absolute", () => {
    expect(refusal(encodeCbor([record([-2, BASE], [2, 1], [6, 2 ** 28])]))).toBe("accepted");
  });

  test.for([
    ["an indefinite array", "9fa221", "cbor-malformed"],
    ["a half-precision float", "f93c00", "cbor-malformed"],
    ["a whole float", "fb3ff0000000000000", "cbor-malformed"],
    ["NaN", "fb7ff8000000000000", "cbor-malformed"],
    ["infinity", "fb7ff0000000000000", "cbor-malformed"],
    ["a single-precision float", "fa3fc00000", "cbor-malformed"],
    ["undefined", "f7", "cbor-malformed"],
    ["a bignum outside a decimal", "c249010000000000000000", "cbor-tag"],
    ["a decimal of exponent 0", "c4820005", "cbor-decimal"],
    ["a decimal of exponent 33", "c482182105", "cbor-decimal"],
    ["a long integer", "1801", "cbor-malformed"],
  ] as const)("%s", ([, hex, code]) => {
    const head = hex.startsWith("9f") ? "" : `81a221${toHex(encodeCbor(BASE))}02`;
    expect(refusal(Uint8Array.from(Buffer.from(head + hex, "hex")))).toBe(code);
  });

  test("whatever the bytes, a pack is read or refused with a code, and both walks agree", () => {
    const good = encodePack(BASE, [
      reading("1-0:1.8.1", "1581.123", "1790000000", {
        unit: "kWh",
        quality: ["no-zone"],
        received: decimal(NOW),
      }),
      reading("1-0:1.8.2", "1.50", "1790000001.250", { unit: "V" }),
      { name: "raw", value: { vd: Uint8Array.of(1, 2, 3) }, time: decimal(NOW), quality: [] },
    ]);
    const at = fc.nat({ max: good.length - 1 });
    fc.assert(
      fc.property(
        fc.array(fc.tuple(at, fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 3 }),
        (changes) => {
          const bytes = Uint8Array.from(good);
          for (const [offset, byte] of changes) bytes[offset] = byte;
          if (refusal(bytes) !== "accepted") return;
          const again = decodePack(bytes, BASE);
          expect(decodePack(encodePack(BASE, again), BASE)).toEqual(again);
        },
      ),
      { numRuns: 5000 },
    );
  });
});
