/**
 * Map keys beyond the safe integers: no profile has one, and each closed shape refuses it like any other member that it doesn't know.
 *
 * @module
 */
import { expect, test } from "vitest";
import {
  decodeCbor,
  decodeEvent,
  decodeItem,
  encodeCbor,
  encodeSign1,
  fromHex,
  parseStatement,
  type CborKey,
  type CborValue,
} from "@tallystick/evidence";
import { codeOf, vectors } from "../../support/vectors.ts";

const KEYS = [2 ** 53 - 1, 2n ** 53n, 2n ** 64n - 1n, -(2n ** 63n)] as const;
const MOST = { maxBytes: 1000 };

/** A good statement's header with one label more, under a signature that nobody looks at before. */
function withLabel(label: CborKey): Uint8Array {
  const { good } = vectors("statements") as { good: readonly { hex: string }[] };
  const { sign1 } = parseStatement(fromHex(good[0]?.hex ?? ""));
  const header = decodeCbor(sign1.protectedBytes, MOST);
  if (!(header instanceof Map)) throw new Error("no header");
  const more = new Map([...(header as Map<CborKey, CborValue>), [label, 0]]);
  return encodeSign1({ ...sign1, protectedBytes: encodeCbor(more) });
}

test.for(KEYS)("a header label %s, an event's and an item's member", (key) => {
  expect(codeOf(() => parseStatement(withLabel(key)))).toBe("unknown-member");
  const event = new Map<CborKey, CborValue>([
    [key, 1],
    ["kind", "stream-closed"],
    ["reason", "over"],
  ]);
  expect(codeOf(() => decodeEvent(encodeCbor(event)))).toBe("unknown-member");
  const item = new Map<CborKey, CborValue>([
    [key, 1],
    ["kind", "rotate"],
    ["statement", Uint8Array.of(1)],
  ]);
  expect(codeOf(() => decodeItem(encodeCbor(item)))).toBe("unknown-member");
});

test("what is read with such keys is written the same", () => {
  const map = new Map(KEYS.map((key) => [key, 0] as const));
  const bytes = encodeCbor(map);
  expect(decodeCbor(bytes, MOST)).toEqual(map);
  expect(encodeCbor(decodeCbor(bytes, MOST))).toEqual(bytes);
});
