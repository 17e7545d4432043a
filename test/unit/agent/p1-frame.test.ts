import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { crc16 } from "../../../agent/src/sources/p1/crc.ts";
import { MAX_TELEGRAM_BYTES, P1Framer, type FrameResult } from "../../../agent/src/sources/p1/frame.ts";
import { telegram, startState } from "../../../demo/meter.ts";

const latin = (text: string): Uint8Array => Buffer.from(text, "latin1");

/** A telegram of this body with its checksum and line end. */
const sealed = (body: string): string =>
  `${body}!${crc16(latin(`${body}!`))
    .toString(16)
    .toUpperCase()
    .padStart(4, "0")}\r\n`;

const BODY = "/XYZ5\\2TEST\r\n\r\n1-0:1.8.0(000001.000*kWh)\r\n";
const GOOD = sealed(BODY);

function frames(chunks: readonly Uint8Array[], framer = new P1Framer()): string[] {
  const results: FrameResult[] = [];
  for (const chunk of chunks) results.push(...framer.push(chunk));
  results.push(...framer.end());
  return results.map((result) =>
    "error" in result
      ? `${result.error.code} at ${result.error.where["byte"]}`
      : `${result.frame.checked ? "checked" : "unchecked"} at ${result.frame.offset}`,
  );
}

test("CRC-16/ARC of the check string", () => {
  expect(crc16(latin("123456789"))).toBe(0xbb3d);
  expect(crc16(latin("6789"), crc16(latin("12345")))).toBe(0xbb3d);
});

describe("framing", () => {
  const digits = GOOD.slice(-6, -2);
  const at = GOOD.length;
  test.for<[what: string, stream: string, found: string[]]>([
    ["a whole telegram", GOOD, ["checked at 0"]],
    ["lower-case checksum", `${BODY}!${digits.toLowerCase()}\r\n`, ["checked at 0"]],
    ["no line end after the checksum", `${BODY}!${digits}`, ["checked at 0"]],
    ["two without line end", `${BODY}!${digits}${BODY}!${digits}`, ["checked at 0", `checked at ${at - 2}`]],
    ["no checksum", `${BODY}!\r\n`, ["unchecked at 0"]],
    ["no checksum and no line end", `${BODY}!`, ["unchecked at 0"]],
    ["no checksum, lines end with LF", `${BODY}!\r\n`.replaceAll("\r", ""), ["unchecked at 0"]],
    ["checksum over CR LF, lines end with LF", GOOD.replaceAll("\r", ""), ["checked at 0"]],
    ["checksum over LF, lines end with LF", sealed(BODY.replaceAll("\r", "")), ["checked at 0"]],
    ["noise before and between", `)\0\r\n${GOOD}12!34${GOOD}`, ["checked at 4", `checked at ${at + 9}`]],
    ["wrong checksum", `${BODY}!0000\r\n`, ["p1-crc at 0"]],
    ["three digits of a four-digit checksum", `${BODY}!${digits.slice(0, 3)}\r\n`, ["p1-crc at 0"]],
    [
      "a spoiled checksum digit",
      `${BODY}!${digits.slice(0, 2)}x${digits.slice(3)}\r\n`,
      ["p1-malformed at 0"],
    ],
    ["a checksum that became a line feed", `${BODY}!\n${digits.slice(1)}\r\n`, ["p1-malformed at 0"]],
    ["a checksum that became a carriage return", `${BODY}!\r${digits.slice(1)}\r\n`, ["p1-malformed at 0"]],
    ["an end mark within a line", `/XYZ5\r\n1-0:1!8.0\r\n${GOOD}`, ["p1-malformed at 0", "checked at 18"]],
    [
      "a checksum digit that became a slash",
      `${BODY}!/${digits.slice(1)}\r\n`,
      ["p1-malformed at 0", `p1-malformed at ${at - 6}`],
    ],
    ["cut off by the next", `/XYZ5\r\n1-0:1.8.0(00${GOOD}`, ["p1-malformed at 0", "checked at 19"]],
    ["cut off by the end", BODY, ["p1-malformed at 0"]],
    ["nothing at all", "", []],
  ])("%s", ([, stream, found]) => {
    expect(frames([latin(stream)])).toEqual(found);
    expect(frames([...latin(stream)].map((byte) => Uint8Array.of(byte)))).toEqual(found);
  });

  test("a checksum of less than four significant digits, printed without leading zeros", () => {
    let body = "";
    for (let n = 0; crc16(latin(`${body}!`)) >= 0x1000 || body === ""; n++)
      body = `/XYZ5\r\n1-0:1.8.0(${n})\r\n`;
    const crc = crc16(latin(`${body}!`));
    expect(frames([latin(`${body}!${crc.toString(16)}\r\n`)])).toEqual(["checked at 0"]);
    expect(frames([latin(`${body}!${crc.toString(16).padStart(4, "0")}\r\n`)])).toEqual(["checked at 0"]);
  });

  test("silence ends a telegram that may be whole, and only that", () => {
    const framer = new P1Framer();
    expect([...framer.push(latin(BODY))]).toEqual([]);
    expect([...framer.silence()]).toEqual([]);
    expect([...framer.push(latin("!"))]).toEqual([]);
    expect(framer.waitsForSilence).toBe(true);
    expect([...framer.silence()]).toMatchObject([{ frame: { checked: false } }]);
    expect([...framer.silence()]).toEqual([]);
  });

  test("a telegram as long as may be passes, one byte more is refused", () => {
    const body = (length: number): string => `/XYZ5\r\n${"1".repeat(length - 9)}\r\n`;
    const longest = sealed(body(MAX_TELEGRAM_BYTES - 5));
    expect(frames([latin(longest)])).toEqual(["checked at 0"]);
    expect(frames([latin(sealed(body(MAX_TELEGRAM_BYTES - 4)))])).toEqual(["p1-too-long at 0"]);
    expect(frames([latin(`/${"x".repeat(100_000)}${GOOD}`)])).toEqual([
      "p1-too-long at 0",
      "checked at 100001",
    ]);
  });

  test("noise is counted, line ends between telegrams are not noise", () => {
    const framer = new P1Framer();
    frames([latin(`${GOOD}\r\n\r\n${GOOD}abc`)], framer);
    expect(framer.takeNoise()).toBe(3);
    expect(framer.takeNoise()).toBe(0);
  });
});

describe("framing anything", () => {
  const noise = fc.uint8Array({ maxLength: 300 });
  // Bytes that look like telegrams reach deeper than random ones.
  const looksLike = fc
    .array(fc.constantFrom("/", "!", "\r", "\n", "(", ")", "1-0:1.8.0", "*kWh", "ABCD", BODY, GOOD), {
      maxLength: 30,
    })
    .map((parts) => latin(parts.join("")));

  test("arbitrary bytes give frames or coded refusals, whatever the chunks", () => {
    fc.assert(
      fc.property(fc.oneof(noise, looksLike), fc.array(fc.nat(50)), (bytes, sizes) => {
        const chunks: Uint8Array[] = [];
        let from = 0;
        for (const size of sizes) {
          chunks.push(bytes.subarray(from, from + size));
          from += size;
        }
        chunks.push(bytes.subarray(from));
        const found = frames(chunks);
        expect(found).toEqual(frames([bytes]));
        for (const one of found)
          expect(one).toMatch(/^(checked|unchecked|p1-(crc|malformed|too-long)) at \d+$/);
      }),
      { numRuns: 500 },
    );
  });

  test("good telegrams inside noise are all found, in order", () => {
    const state = startState(1_750_000_000);
    const good = fc.nat(100_000).map((n) => telegram(state, 1_750_000_000 + n));
    fc.assert(
      fc.property(
        fc.array(fc.tuple(noise, good), { maxLength: 5 }),
        fc.integer({ min: 1, max: 4000 }),
        (parts, size) => {
          const stream = Buffer.concat(parts.flat());
          const framer = new P1Framer();
          const found: string[] = [];
          for (let at = 0; at < stream.length; at += size) {
            for (const result of framer.push(stream.subarray(at, at + size))) {
              if ("frame" in result) expect(result.frame.raw.length).toBeLessThanOrEqual(MAX_TELEGRAM_BYTES);
              if ("frame" in result && result.frame.checked)
                found.push(Buffer.from(result.frame.raw).toString("latin1"));
            }
          }
          expect(found).toEqual(parts.map(([, bytes]) => bytes.toString("latin1").trimEnd()));
        },
      ),
      { numRuns: 300 },
    );
  });

  test("time grows with the length alone", () => {
    const startMs = performance.now();
    const framer = new P1Framer();
    const hostile = latin("/".repeat(1 << 16) + "!\n".repeat(1 << 16) + "/\n!A".repeat(1 << 16));
    let refused = 0;
    for (const result of framer.push(hostile)) refused += "error" in result ? 1 : 0;
    expect(refused).toBeGreaterThan(1 << 15);
    expect(performance.now() - startMs).toBeLessThan(20_000);
  });
});
