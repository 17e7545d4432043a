import {
  fromBase64,
  verifyConsistency,
  verifyInclusion,
  verifySubtreeConsistency,
  verifySubtreeInclusion,
} from "@tallystick/evidence";
import { describe, expect, test } from "vitest";
import { need } from "../../support/require.ts";
import { sharedText } from "../../support/shared.ts";
import { codeOf } from "../../support/vectors.ts";

const haveShared = need("shared");

/** Accepted by their publisher, refused here: their roots are texts of 12 bytes, and a root is a SHA-256. */
const NOT_HASHES = new Set([
  "consistency/additional/sizes-are-equal-one-and-proof-is-empty.json",
  "subtreeconsistency/additional/sizes-are-equal-one-and-proof-is-empty.json",
]);

type Vector = {
  readonly file: string;
  readonly wantErr: boolean;
  readonly proof: readonly string[] | null;
  /** Every number of the vector, by name. */
  readonly n: (name: string) => bigint;
  readonly hash: (name: string) => Uint8Array;
};

/** JSON.parse would round numbers beyond 2^53, so they are quoted first and read as bigint. */
function read(name: string): Vector[] {
  if (!haveShared) return [];
  const text = sharedText(`vectors/merkle/${name}.json`).replaceAll(/("[A-Za-z0-9]+": )(\d+)/g, '$1"$2"');
  return (JSON.parse(text) as Record<string, unknown>[]).map((vector) => ({
    file: vector["file"] as string,
    wantErr: vector["wantErr"] as boolean,
    proof: vector["proof"] as string[] | null,
    n: (member) => BigInt(vector[member] as string),
    hash: (member) => fromBase64(vector[member] as string),
  }));
}

const pathOf = ({ proof }: Vector): Uint8Array[] => (proof ?? []).map(fromBase64);

/** What must be said where the numbers themselves are wrong, or a hash is none; `undefined` where hashing has to tell. */
function reason(vector: Vector, numbersAreGood: boolean, hashes: readonly string[]): string | undefined {
  if (!numbersAreGood) return "proof-index";
  const bytes = [...hashes.map(vector.hash), ...pathOf(vector)];
  return bytes.every(({ length }) => length === 32) ? undefined : "proof-length";
}

const isSafe = (...numbers: readonly bigint[]): boolean =>
  numbers.every((n) => n <= BigInt(Number.MAX_SAFE_INTEGER));

function isAligned(start: bigint, end: bigint): boolean {
  let width = 1n;
  while (width < end - start) width *= 2n;
  return start % width === 0n;
}

function check(vector: Vector, run: () => void, because: string | undefined): void {
  const code = codeOf(run);
  if (NOT_HASHES.has(vector.file)) {
    expect(vector.wantErr).toBe(false);
    expect(code).toBe("proof-length");
  } else if (!vector.wantErr) {
    expect(code).toBe("accepted");
  } else if (because === undefined) {
    expect(["proof-length", "proof-root"]).toContain(code);
  } else {
    expect(code).toBe(because);
  }
}

describe.skipIf(!haveShared)("transparency-dev/merkle testdata", () => {
  test("there are 518 of them", () => {
    const names = ["inclusion", "consistency", "subtree-inclusion", "subtree-consistency"];
    expect(names.map((name) => read(name).length)).toEqual([98, 98, 204, 118]);
  });

  test.for(read("inclusion"))("$file", (v) => {
    const [index, size] = [v.n("leafIdx"), v.n("treeSize")];
    const run = (): void =>
      verifyInclusion(v.hash("leafHash"), Number(index), Number(size), pathOf(v), v.hash("root"));
    check(v, run, reason(v, isSafe(index, size) && index < size, ["leafHash", "root"]));
  });

  test.for(read("consistency"))("$file", (v) => {
    const [size1, size2] = [v.n("size1"), v.n("size2")];
    const run = (): void =>
      verifyConsistency(Number(size1), v.hash("root1"), Number(size2), v.hash("root2"), pathOf(v));
    check(v, run, reason(v, isSafe(size1, size2) && size1 > 0n && size1 <= size2, ["root1", "root2"]));
  });

  test.for(read("subtree-inclusion"))("$file", (v) => {
    const [index, start, end] = [v.n("leafIdx"), v.n("start"), v.n("end")];
    const subtree = { start: Number(start), end: Number(end) };
    const run = (): void =>
      verifySubtreeInclusion(v.hash("leafHash"), Number(index), subtree, pathOf(v), v.hash("root"));
    const isGood = isSafe(index, end) && start <= index && index < end && isAligned(start, end);
    check(v, run, reason(v, isGood, ["leafHash", "root"]));
  });

  test.for(read("subtree-consistency"))("$file", (v) => {
    const [start, end, size] = [v.n("start"), v.n("end"), v.n("size")];
    const subtree = { start: Number(start), end: Number(end) };
    const run = (): void =>
      verifySubtreeConsistency(subtree, v.hash("root1"), Number(size), v.hash("root2"), pathOf(v));
    const isGood = isSafe(end, size) && start <= end && end <= size && isAligned(start, end);
    // Nothing is asked of the tree around an empty range.
    check(v, run, start === end ? undefined : reason(v, isGood, ["root1", "root2"]));
  });
});
