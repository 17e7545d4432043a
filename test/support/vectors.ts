/**
 * Reads our own vectors, `test/vectors/*.json`, which `test/interop/make_vectors.py` writes from docs/formats.md alone.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import {
  Decimal,
  EvidenceError,
  Float,
  fromHex,
  Tagged,
  type CborKey,
  type CborValue,
} from "@tallystick/evidence";

/** What every file of vectors says besides its vectors. */
export type Vectors<T> = T & { readonly source: string; readonly made: string };

/** One file of vectors; the caller states the shape that `make_vectors.py` gives it. */
export const vectors = (name: string): unknown =>
  JSON.parse(readFileSync(join(import.meta.dirname, "..", "vectors", `${name}.json`), "utf8"));

/** A CBOR value as the files show it: each kind under its own name, integers as text. */
export type Shown =
  | null
  | boolean
  | { readonly int: string }
  | { readonly text: string }
  | { readonly bytes: string }
  | { readonly float: string }
  | { readonly decimal: readonly [string, number] }
  | { readonly array: readonly Shown[] }
  | { readonly map: readonly (readonly [Shown, Shown])[] }
  | { readonly tag: number; readonly value: Shown };

/** The value itself, in the terms of `cbor.ts`. */
export function fromShown(shown: Shown): CborValue {
  if (shown === null || typeof shown === "boolean") return shown;
  if ("int" in shown) {
    const n = BigInt(shown.int);
    return Number.isSafeInteger(Number(n)) ? Number(n) : n;
  }
  if ("text" in shown) return shown.text;
  if ("bytes" in shown) return fromHex(shown.bytes);
  if ("float" in shown) return new Float(Number(shown.float));
  if ("decimal" in shown) return new Decimal(BigInt(shown.decimal[0]), shown.decimal[1]);
  if ("array" in shown) return shown.array.map(fromShown);
  if ("map" in shown) return new Map(shown.map.map(([k, v]) => [fromShown(k) as CborKey, fromShown(v)]));
  return new Tagged(shown.tag, fromShown(shown.value));
}

/** The code with which `run` refuses, `"accepted"` where it doesn't; anything but an EvidenceError is a bug and thrown on. */
export function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof EvidenceError) return error.code;
    throw error;
  }
  return "accepted";
}
