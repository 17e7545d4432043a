/**
 * Heads written by hand are those of the codec, at each edge of their length.
 */
import { expect, test } from "vitest";
import { encodeCbor, toHex } from "@tallystick/evidence";
import { BYTE_STRING, headLength, UINT, writeHead } from "../../../evidence/src/cbor/head.ts";

const EDGES = [0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32, 2 ** 40 + 1, 2 ** 53 - 1];

test.for(EDGES)("%d as an integer", (n) => {
  const bytes = new Uint8Array(headLength(n) + 2);
  expect(writeHead(bytes, 1, UINT, n)).toBe(1 + headLength(n));
  expect(toHex(bytes)).toBe(`00${toHex(encodeCbor(n))}00`);
});

test.for([0, 23, 24, 255, 256, 65_535, 65_536])("a byte string of %d", (n) => {
  const head = new Uint8Array(headLength(n));
  writeHead(head, 0, BYTE_STRING, n);
  expect(toHex(head)).toBe(toHex(encodeCbor(new Uint8Array(n)).subarray(0, head.length)));
});
