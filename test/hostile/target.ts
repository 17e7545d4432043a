/**
 * What a hostile case is aimed at: a reader with good and bad inputs to begin from, and the judge of whatever it makes of a changed one.
 *
 * @module
 */
import { isEvidenceError, toHex, type EvidenceCode } from "@tallystick/evidence";
import type { Random } from "./random.ts";

/** An input to begin from. `other` is whatever the target needs to judge its changes. */
export type Seed<T = unknown> = { readonly name: string; readonly bytes: Uint8Array; readonly about: T };

/** What came out, in a word: a code, or what was accepted and why that is right. */
export type Outcome = string;

/** What a case found that must not be. */
export class Hostile extends Error {
  override readonly name = "Hostile";
}

/** How the bytes of a target are changed beside bit by bit. */
type Nature = "cbor" | "text" | "bytes";

export type Target<T = unknown> = {
  readonly name: string;
  readonly nature: Nature;
  /** Share of all cases. */
  readonly weight: number;
  readonly seeds: readonly Seed<T>[];
  /**
   * Changes what is signed and signs it anew, with the right key: what an insider may do. Undefined where nothing came of it.
   */
  readonly resign?: (bytes: Uint8Array, other: Uint8Array, random: Random) => Uint8Array | undefined;
  /**
   * Reads the bytes as the product does.
   *
   * @param signed - true where the change was signed anew: then it may be accepted
   * @returns the code of the refusal, or what was accepted
   * @throws Hostile for what must not be accepted; whatever else the reader throws is a crash
   */
  readonly run: (
    bytes: Uint8Array,
    seed: Seed<T>,
    signed: boolean,
    random: Random,
  ) => Outcome | Promise<Outcome>;
  /** Codes that a run of 200,000 cases meets at least once. */
  readonly expected: readonly (EvidenceCode | (string & {}))[];
};

/** The code with which `read` refuses; whatever else it throws is thrown on. */
export function refusal(read: () => Outcome): Outcome {
  try {
    return read();
  } catch (error) {
    if (isEvidenceError(error)) return error.code;
    throw error;
  }
}

/** @throws Hostile unless `holds` */
export function must(holds: boolean, otherwise: string): void {
  if (!holds) throw new Hostile(otherwise);
}

export const hexSet = (all: Iterable<Uint8Array>): ReadonlySet<string> => new Set(Array.from(all, toHex));
