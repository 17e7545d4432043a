/**
 * Bytes that are few and values that are many: what a decoder would build of them is bounded before it builds anything.
 *
 * @module
 */
import { expect, test } from "vitest";
import { decodeBundle, decodeCbor, MAX_BUNDLE_BYTES } from "@tallystick/evidence";
import { codeOf } from "../../support/vectors.ts";

const MOST = 2_097_152;

/** An array of `count` items of one byte each, the array itself included in the count. */
function arrayOf(count: number, item: number, before: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(before.length + 5 + count - 1).fill(item);
  bytes.set(before);
  new DataView(bytes.buffer).setUint32(before.length + 1, count - 1);
  bytes[before.length] = 0x9a;
  return bytes;
}

test("as many data items as there may be, and one more", () => {
  const rules = { maxBytes: MAX_BUNDLE_BYTES };
  expect(decodeCbor(arrayOf(MOST, 0x00), rules)).toHaveLength(MOST - 1);
  expect(codeOf(() => decodeCbor(arrayOf(MOST + 1, 0x00), rules))).toBe("too-large");
});

test("a bundle of 64 MiB full of empty maps is refused before it is decoded", () => {
  const bytes = arrayOf(MAX_BUNDLE_BYTES - 8, 0xa0, [0xd9, 0xd9, 0xf7]);
  const before = process.memoryUsage.rss();
  expect(codeOf(() => decodeBundle(bytes))).toBe("too-large");
  expect(process.memoryUsage.rss() - before).toBeLessThan(200e6);
});
