/**
 * Between which moments statements were signed, against the plain definition; and at what cost, of which an honest bundle must not have the square.
 *
 * @module
 */
import {
  encodeBundle,
  equalBytes,
  parseReceipt,
  parsePolicy,
  parseTransparent,
  toHex,
  verify,
  type Bundle,
} from "@tallystick/evidence";
import { createNodeProvider } from "@tallystick/evidence/node";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { chainTimes, type ChainTimes } from "../../../audit/src/verify/times.ts";
import { TreeTimes } from "../../../audit/src/verify/tree-times.ts";
import { World } from "../../support/world.ts";

type Tree = { readonly origin: string; readonly size: number; readonly timeUnixS: number };

describe("when a tree was there", () => {
  const trees: fc.Arbitrary<Tree[]> = fc.array(
    fc.record({
      origin: fc.constantFrom("log/a", "log/b"),
      size: fc.nat({ max: 12 }),
      timeUnixS: fc.nat({ max: 20 }),
    }),
  );

  test("is the newest commit time of those that it grew out of, whatever the log's clock did", () => {
    fc.assert(
      fc.property(
        trees,
        fc.constantFrom("log/a", "log/b", "log/c"),
        fc.nat({ max: 14 }),
        (all, origin, size) => {
          const before = all.filter((tree) => tree.origin === origin && tree.size <= size);
          const expected = before.length === 0 ? null : Math.max(...before.map(({ timeUnixS }) => timeUnixS));
          expect(new TreeTimes(all).knownBy(origin, size)).toBe(expected);
        },
      ),
    );
  });

  test("takes a search for each question: no tree is looked at once for each statement", () => {
    const count = 4096;
    let looked = 0;
    const all = Array.from({ length: count }, (_, i) => ({
      origin: "log/a",
      get size() {
        looked++;
        return i;
      },
      timeUnixS: i,
    }));
    const times = new TreeTimes(all);
    for (let size = 0; size < count; size++) expect(times.knownBy("log/a", size)).toBe(size);
    expect(looked).toBeLessThanOrEqual(2 * count * Math.log2(count));
  });
});

/** The definition, statement by statement: each bound is looked for in the whole bundle. */
function plainTimes({ statements, registry }: Bundle): ChainTimes[] {
  const read = (bytes: Uint8Array) => {
    const { statement, receipts } = parseTransparent(bytes);
    return { ...statement, receipt: parseReceipt(receipts[0] ?? expect.fail()) };
  };
  const trees = [...statements, ...registry].map((bytes) => read(bytes).receipt);
  const all = statements.map(read);
  const chains = Map.groupBy(
    all,
    ({ claims: { iss, sub, ch } }) => `${iss} ${sub} ${toHex(ch ?? expect.fail())}`,
  );
  return [...chains.values()].map((unsorted) => {
    const chain = unsorted.toSorted((a, b) => a.claims.seq - b.claims.seq);
    const runOf = (at: number): readonly [number, number] => {
      const isNext = (i: number): boolean => {
        const [before, one] = [chain[i - 1], chain[i]];
        return (
          before !== undefined && one?.claims.prev !== undefined && equalBytes(one.claims.prev, before.hash)
        );
      };
      let [from, to] = [at, at];
      while (isNext(from)) from--;
      while (isNext(to + 1)) to++;
      return [from, to];
    };
    const bounds = chain.map((_, at) => {
      const [from, to] = runOf(at);
      const seen = chain.slice(from, at + 1).flatMap(({ claims }) => claims.seen?.size ?? []);
      const known = trees.filter(({ size }) => seen.some((one) => size <= one));
      const notAfter = Math.min(...chain.slice(at, to + 1).map(({ receipt }) => receipt.timeUnixS));
      return {
        notBefore: known.length === 0 ? null : Math.max(...known.map(({ timeUnixS }) => timeUnixS)),
        notAfter,
      };
    });
    const [first, last] = [chain[0]?.claims ?? expect.fail(), chain.at(-1)?.claims ?? expect.fail()];
    const isBounded = bounds.every(({ notBefore }) => notBefore !== null);
    return {
      iss: first.iss,
      sub: first.sub,
      ch: toHex(first.ch ?? expect.fail()),
      first: first.seq,
      last: last.seq,
      notBefore: isBounded ? Math.min(...bounds.map(({ notBefore }) => notBefore ?? 0)) : null,
      notAfter: Math.max(...bounds.map(({ notAfter }) => notAfter)),
      widestS: isBounded
        ? Math.max(...bounds.map(({ notBefore, notAfter }) => notAfter - (notBefore ?? 0)))
        : null,
    };
  });
}

test("the bounds of chains are those of the definition, with holes, late statements and a log's clock that was set back", async () => {
  const world = await World.create();
  const device = await world.enrol("water/gw-1");
  const chains = ["m-1", "m-2", "m-3"].map((sub) => device.chain(sub));
  const [one, two, three] = chains;
  if (one === undefined || two === undefined || three === undefined) throw new Error("no chains");
  await three.open(); // before there was any tree to be seen
  const { size, root } = await world.commit();
  await one.open();
  await two.open();
  for (let i = 0; i < 24; i++) {
    for (const chain of chains.slice(i % 3)) await chain.readings(1);
    // A device that has heard of no newer tree for long.
    if (i % 5 === 0) await one.readings(1, { claims: { seen: { size, root } } });
    if (i % 2 === 1) await world.commit(i % 8 === 1 ? { timeUnixS: world.timeUnixS - 9000 } : {});
  }
  await device.heads();
  await world.commit();
  const whole = world.bundle([{ chain: one }, { chain: two }, { chain: three }]);
  const holed = { ...whole, statements: whole.statements.filter((_, i) => i % 6 !== 3) };
  const backwards = { ...whole, statements: whole.statements.toReversed() };
  for (const bundle of [whole, holed, backwards]) {
    const bytes = encodeBundle(bundle);
    const judged = verify(bytes, { policy: parsePolicy(world.policy()), provider: createNodeProvider() });
    expect(judged.verdict, JSON.stringify(judged.checks)).toBe("restricted");
    expect(chainTimes(bytes, judged)).toEqual(plainTimes(bundle));
  }
});
