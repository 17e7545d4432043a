import { lateBeginnings, type Before } from "@tallystick/evidence";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";

type Told = { readonly ch: Uint8Array; readonly before: Before };

const chainId = (n: number): Uint8Array => {
  const id = new Uint8Array(8);
  new DataView(id.buffer).setUint32(4, n);
  return id;
};
const behind = (n: number): Before => ({ ch: chainId(n), seq: 3, hash: new Uint8Array(32) });
const lost: Before = { lost: "disk replaced" };
const opening = (n: number, before: Before = "none"): Told => ({ ch: chainId(n), before });

/** Numbers of the chains that are late. */
const late = (...inOrder: readonly Told[]): number[] =>
  lateBeginnings(inOrder).map(({ ch }) => new DataView(ch.buffer).getUint32(4));

describe("the beginnings of a stream", () => {
  test("one that was opened first is none, nor one behind it", () => {
    expect(late(opening(1), opening(2, behind(1)), opening(3, lost))).toEqual([]);
  });

  test("one behind chains that lead to it is good, directly or through others, in any order", () => {
    expect(late(opening(2, behind(1)), opening(1))).toEqual([]);
    const line = [opening(1), ...[2, 3, 4, 5].map((n) => opening(n, behind(n - 1)))];
    fc.assert(
      fc.property(fc.shuffledSubarray(line, { minLength: line.length }), (inOrder) => {
        expect(late(...inOrder)).toEqual([]);
      }),
    );
  });

  test.for([
    ["another beginning", [opening(2)]],
    ["a chain behind another beginning that comes later", [opening(2, behind(3)), opening(3)]],
    ["a chain that had lost its own", [opening(2, lost)]],
    ["a chain behind one that had lost its own", [opening(2, behind(3)), opening(3, lost)]],
    ["a chain behind one that isn't here", [opening(2, behind(3))]],
    ["chains in a circle", [opening(2, behind(3)), opening(3, behind(2))]],
    ["a chain behind itself", [opening(2, behind(2))]],
    ["one that leads to it, and one that doesn't", [opening(4, behind(1)), opening(2, lost)]],
  ] as const)("one after %s is late", ([, before]) => {
    expect(late(...before, opening(1))).toContain(1);
  });

  test("the same opening again is the same", () => {
    expect(late(opening(1), opening(1))).toEqual([]);
    expect(late(opening(2, behind(1)), opening(2, behind(1)), opening(1), opening(1))).toEqual([]);
  });

  test("of as many chains as a bundle holds, each way back is gone once", () => {
    const many = 65_536;
    const line = Array.from({ length: many }, (_, n) => opening(n + 1, n === 0 ? "none" : behind(n)));
    const started = performance.now();
    expect(late(...line.toReversed())).toEqual([]);
    expect(late(...line.map(({ ch }) => ({ ch, before: "none" as const })))).toHaveLength(many - 1);
    expect(performance.now() - started).toBeLessThan(10_000); // squared it would be billions of steps
  });
});
