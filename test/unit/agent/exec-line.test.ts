/** Lines of JSON: read strictly, cut anywhere, bounded; times exactly. */
import { EvidenceError, formatDecimal } from "@tallystick/evidence";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalText, parseJson, type Json } from "../../../agent/src/sources/exec/json.ts";
import { isRefused, MAX_LINE_BYTES, readLine } from "../../../agent/src/sources/exec/line.ts";
import { LineSplitter } from "../../../agent/src/sources/exec/split.ts";
import { parseTime } from "../../../agent/src/sources/exec/time.ts";
import { codeOf } from "../../support/vectors.ts";

const parse = (text: string): Json => parseJson(Buffer.from(text));

describe("JSON", () => {
  test("of integers, texts, lists and objects comes back", () => {
    const text =
      '{"a":[1,-2,0,"x\\n\\u00fc"],"b":{"c":null,"d":[true,false]},"e":340282366920938463463374607431768211455}';
    expect(canonicalText(parse(` ${text}\r`))).toBe(text.replace("\\u00fc", "ü"));
  });

  test.for([
    "",
    "{",
    "{}{}",
    '{"a":1,}',
    '{"a" 1}',
    "[1,]",
    '{"a":1,"a":1}',
    '{"a":1.0}',
    '{"a":1e3}',
    '{"a":01}',
    '{"a":-0}',
    '{"a":+1}',
    `{"a":${"9".repeat(41)}}`,
    '{"a":NaN}',
    "{'a':1}",
    '{"a":"\t"}',
    '{"a":"\\x41"}',
    '{"a":"\\ud800"}',
    '{"a":"unclosed}',
    '\ufeff{"a":1}',
    "[[[[[[[[[[1]]]]]]]]]]",
    "// comment\n{}",
  ])("is refused: %j", (text) => {
    expect(codeOf(() => parse(text))).toBe("line-malformed");
  });

  test("bytes that are no UTF-8 are refused", () => {
    expect(codeOf(() => parseJson(Uint8Array.of(0x22, 0xff, 0x22)))).toBe("line-malformed");
  });

  test("keys of Object's are keys like any other", () => {
    const value = parse('{"__proto__":1,"constructor":2}');
    expect(value instanceof Map && [...value.keys()]).toEqual(["__proto__", "constructor"]);
  });

  test("whatever JSON.stringify writes of integers and texts is read as JSON.parse reads it", () => {
    const leaves = fc.oneof(fc.string({ unit: "binary" }), fc.integer(), fc.boolean(), fc.constant(null));
    const trees = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 4 },
        leaves,
        fc.array(tie("tree"), { maxLength: 4 }),
        fc.dictionary(fc.string(), tie("tree"), { maxKeys: 4 }),
      ),
    })).tree;
    fc.assert(
      fc.property(trees, (tree) => {
        const text = JSON.stringify(tree);
        expect(JSON.parse(canonicalText(parse(text)))).toEqual(JSON.parse(text));
      }),
      { numRuns: 500 },
    );
  });

  test("any bytes are read or refused, and nothing else happens", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(["accepted", "line-malformed"]).toContain(codeOf(() => parseJson(bytes)));
      }),
      { numRuns: 1000 },
    );
  });
});

describe("times", () => {
  test.for([
    ["1790000000", "1790000000"],
    ["1790000000.50", "1790000000.50"],
    ["2026-09-21T14:13:20Z", "1790000000"],
    ["2026-09-21T16:13:20+02:00", "1790000000"],
    ["2026-09-21T08:43:20.250-05:30", "1790000000.250"],
    ["1969-12-31T23:59:59.25Z", "-0.75"],
    ["2028-02-29T00:00:00Z", "1835395200"],
  ])("%s", ([text = "", seconds]) => {
    expect(formatDecimal(parseTime(text))).toBe(seconds);
  });

  test.for([
    "2026-09-21",
    "2026-09-21T14:13:20",
    "2026-09-21 14:13:20Z",
    "2026-09-21T14:13:20z",
    "2026-09-21T24:00:00Z",
    "2026-09-21T14:13:60Z",
    "2026-02-29T00:00:00Z",
    "2026-13-01T00:00:00Z",
    "2026-09-21T14:13:20+24:00",
    "2026-09-21T14:13:20+02:60",
    "1e9",
    "now",
    "",
  ])("%s is none", (text) => {
    expect(["member-range", "cbor-decimal"]).toContain(codeOf(() => parseTime(text)));
  });
});

describe("lines", () => {
  const splitAt = (bytes: Uint8Array, size: number): readonly (string | EvidenceError)[] => {
    const splitter = new LineSplitter();
    const found: (Uint8Array | EvidenceError)[] = [];
    for (let from = 0; from < bytes.length; from += size)
      found.push(...splitter.push(bytes.subarray(from, from + size)));
    found.push(...splitter.end());
    return found.map((one) => (one instanceof EvidenceError ? one : Buffer.from(one).toString()));
  };

  test("are the same wherever the pipe cuts them", () => {
    const text = Buffer.from("one\r\ntwo\n\n\nthree\n");
    for (let size = 1; size <= text.length; size++)
      expect(splitAt(text, size)).toEqual(["one", "two", "three"]);
  });

  test("one without an end is refused: half of it may be missing", () => {
    expect(splitAt(Buffer.from('one\n{"a":1}'), 4)).toMatchObject(["one", { code: "line-malformed" }]);
  });

  test.for([1, 1000, 70_000])("one of a byte too many is refused, the next is read: pieces of %i", (size) => {
    const text = `${"x".repeat(MAX_LINE_BYTES)}\r\n${"y".repeat(MAX_LINE_BYTES + 1)}\n${"z".repeat(200_000)}\nend\n`;
    expect(splitAt(Buffer.from(text), size)).toMatchObject([
      "x".repeat(MAX_LINE_BYTES),
      { code: "too-large" },
      { code: "too-large" },
      "end",
    ]);
  });

  test("a digest is of all that is said but the id", () => {
    const digest = (text: string): string => {
      const line = readLine(Buffer.from(text));
      return isRefused(line) ? line.error.code : Buffer.from(line.digest).toString("hex");
    };
    const one = digest('{"id":"1","name":"n","v":"1.50"}');
    expect(one).toMatch(/^[0-9a-f]{32}$/);
    expect(digest('{"v":"1.50","id":"2","name":"n"}')).toBe(one);
    expect(digest('{"id":"1","name":"n","v":"1.5"}')).not.toBe(one);
    expect(digest('{"id":"1","name":"n","v":"1.50","q":["estimated"]}')).not.toBe(one);
  });

  test("the id is known of a line that is refused, where it could be read", () => {
    expect(readLine(Buffer.from('{"id":"17","name":"n"}'))).toMatchObject({
      id: "17",
      error: { code: "member-missing" },
    });
    expect(readLine(Buffer.from('{"id":17,"name":"n","v":1}'))).toMatchObject({ id: undefined });
    expect(readLine(Buffer.from('{"id":"17"'))).toMatchObject({ id: undefined });
  });
});
