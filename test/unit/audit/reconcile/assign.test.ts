/**
 * The assignment within a window, beside a search through all assignments there are.
 *
 * @module
 */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  assign,
  exchange,
  type Candidate,
  type Claim,
  type Window,
} from "../../../../audit/src/reconcile/match/assign.ts";
import { clustersOf } from "../../../../audit/src/reconcile/match/window.ts";

type Pairs = readonly number[];
type Score = readonly [pairs: number, ranks: number, distance: number];

/** Every way to give lines events of their windows, one to one. */
function* ways(
  lines: readonly Claim[],
  events: readonly Candidate[],
  { before, after }: Window,
  taken: Pairs = [],
): Generator<Pairs> {
  const line = lines[taken.length];
  if (line === undefined) {
    yield taken;
    return;
  }
  yield* ways(lines, events, { before, after, margin: 0 }, [...taken, -1]);
  for (const [j, { t }] of events.entries()) {
    if (t >= line.t - before && t <= line.t + after && !taken.includes(j))
      yield* ways(lines, events, { before, after, margin: 0 }, [...taken, j]);
  }
}

/** Copies of the line before it. */
const rankOf = (lines: readonly Claim[], i: number): number =>
  lines.slice(0, i).filter(({ t, value }) => t === lines[i]?.t && value === lines[i]?.value).length;

function scoreOf(lines: readonly Claim[], events: readonly Candidate[], pairs: Pairs): Score {
  let [count, ranks, distance] = [0, 0, 0];
  for (const [i, j] of pairs.entries()) {
    if (j < 0) continue;
    count++;
    ranks += rankOf(lines, i);
    distance += Math.abs((lines[i]?.t ?? 0) - (events[j]?.t ?? 0));
  }
  return [count, -ranks, -distance];
}

const compare = (a: Score, b: Score): number => a[0] - b[0] || a[1] - b[1] || a[2] - b[2];

const inOrder = (pairs: Pairs): boolean => {
  const used = pairs.filter((j) => j >= 0);
  return used.every((j, i) => i === 0 || j > (used[i - 1] ?? -1));
};

const points = (max: number) =>
  fc.array(fc.record({ t: fc.integer({ min: 0, max: 12 }), value: fc.constantFrom("2", "8") }), {
    maxLength: max,
  });
const world = fc.record({
  lines: points(5).map((all) => all.toSorted((a, b) => a.t - b.t || (a.value < b.value ? -1 : 1))),
  events: points(5).map((all) => all.toSorted((a, b) => a.t - b.t)),
  window: fc.record({
    before: fc.integer({ min: 0, max: 5 }),
    after: fc.integer({ min: 0, max: 5 }),
    margin: fc.constant(0),
  }),
});

const assigned = (lines: readonly Claim[], events: readonly Candidate[], window: Window) => {
  const found = assign(lines, events, window);
  if (found === undefined) throw new Error("too many cells");
  return { events: [...found.events], ambiguous: [...found.ambiguous] };
};

describe("beside all assignments", () => {
  test("none has more pairs, fewer repeats, or less distance", () => {
    fc.assert(
      fc.property(world, ({ lines, events, window }) => {
        const every = [...ways(lines, events, window)];
        const found = assigned(lines, events, window).events;
        expect(every).toContainEqual(found);
        const best = every
          .map((pairs) => scoreOf(lines, events, pairs))
          .reduce((a, b) => (compare(a, b) >= 0 ? a : b));
        expect(scoreOf(lines, events, found)).toEqual(best);
        expect(inOrder(found)).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test("a line is ambiguous exactly where another one in order, as good, says something else of it", () => {
    fc.assert(
      fc.property(world, ({ lines, events, window }) => {
        const { events: found, ambiguous } = assigned(lines, events, window);
        const best = scoreOf(lines, events, found);
        const equal = [...ways(lines, events, window)].filter(
          (pairs) => inOrder(pairs) && compare(scoreOf(lines, events, pairs), best) === 0,
        );
        const says = (j: number): string => (j < 0 ? "none" : (events[j]?.value ?? ""));
        const expected = found.map((own, i) =>
          equal.some((pairs) => says(pairs[i] ?? -1) !== says(own)) ? 1 : 0,
        );
        expect(ambiguous).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("with a margin: exactly where another event, or another line, is as near but for the margin", () => {
    const withMargin = fc.tuple(world, fc.integer({ min: 1, max: 6 }));
    fc.assert(
      fc.property(withMargin, ([{ lines, events, window }, margin]) => {
        const plain = assigned(lines, events, window);
        const { events: found, ambiguous } = assigned(lines, events, { ...window, margin });
        expect(found).toEqual(plain.events);
        const distance = (i: number, j: number): number => Math.abs((lines[i]?.t ?? 0) - (events[j]?.t ?? 0));
        const reaches = (i: number, j: number): boolean => {
          const shift = (events[j]?.t ?? 0) - (lines[i]?.t ?? 0);
          return shift >= -window.before && shift <= window.after;
        };
        const expected = [...plain.ambiguous];
        for (const [i, own] of found.entries()) {
          for (const j of events.keys()) {
            if (!reaches(i, j) || j === own) continue;
            if (own >= 0 && distance(i, j) <= distance(i, own) + margin) expected[i] = 1;
            const other = found.indexOf(j);
            const repeat = lines[other]?.t === lines[i]?.t && lines[other]?.value === lines[i]?.value;
            if (own < 0 && other >= 0 && !repeat && distance(i, j) <= distance(other, j) + margin)
              expected[i] = expected[other] = 1;
          }
        }
        expect(ambiguous).toEqual(expected);
      }),
      { numRuns: 2000 },
    );
  });

  test("exchanged within one time, lines keep their windows and agree as often as any exchange allows", () => {
    fc.assert(
      fc.property(world, ({ lines, events, window }) => {
        const found = assigned(lines, events, window).events;
        const after = Int32Array.from(found);
        const agrees = (i: number, j: number): boolean => lines[i]?.value === events[j]?.value;
        exchange(lines, after, agrees);
        expect([...after]).toEqual(expect.arrayContaining(found));
        expect(scoreOf(lines, events, [...after])).toEqual(scoreOf(lines, events, found));
        const times = new Set(lines.map(({ t }) => t));
        for (const t of times) {
          const of = [...lines.keys()].filter((i) => lines[i]?.t === t && (found[i] ?? -1) >= 0);
          const count = (value: string, values: readonly (string | undefined)[]): number =>
            values.filter((one) => one === value).length;
          const most = ["2", "8"].reduce(
            (sum, value) =>
              sum +
              Math.min(
                count(
                  value,
                  of.map((i) => lines[i]?.value),
                ),
                count(
                  value,
                  of.map((i) => events[found[i] ?? -1]?.value),
                ),
              ),
            0,
          );
          expect(of.filter((i) => agrees(i, after[i] ?? -1))).toHaveLength(most);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

test("cut into clusters, lines have the events that they have as a whole", () => {
  const long = fc.record({
    lines: fc.array(fc.record({ t: fc.integer({ min: 0, max: 60 }), value: fc.constantFrom("2", "8") }), {
      maxLength: 20,
    }),
    events: fc.array(fc.record({ t: fc.integer({ min: 0, max: 60 }), value: fc.constantFrom("2", "8") }), {
      maxLength: 20,
    }),
    before: fc.integer({ min: 0, max: 5 }),
    after: fc.integer({ min: 0, max: 5 }),
  });
  fc.assert(
    fc.property(long, ({ before, after, ...unsorted }) => {
      const lines = unsorted.lines.toSorted((a, b) => a.t - b.t || (a.value < b.value ? -1 : 1));
      const events = unsorted.events.toSorted((a, b) => a.t - b.t).map((one, id) => ({ ...one, id }));
      const window = { before, after, margin: 0 };
      const clusters = [...clustersOf(lines, events.values(), window)];
      expect(clusters.flatMap((cluster) => cluster.lines)).toEqual(lines);
      const parts = clusters.map((cluster) => ({
        cluster,
        found: assigned(cluster.lines, cluster.events, window),
      }));
      const whole = assigned(lines, events, window);
      expect(
        parts.flatMap(({ cluster, found }) => found.events.map((j) => cluster.events[j]?.id ?? -1)),
      ).toEqual(whole.events);
      expect(parts.flatMap(({ found }) => found.ambiguous)).toEqual(whole.ambiguous);
    }),
    { numRuns: 2000 },
  );
});

describe("cases that the nearest first gets wrong", () => {
  const line = (t: number, value = "2"): Claim => ({ t, value });
  const window = { before: 5, after: 5, margin: 0 };

  test("the nearest would leave one line without its event", () => {
    // 4 is nearest to 5, and is the only one that 0 can have.
    expect(assigned([line(0), line(5)], [line(4), line(10)], window).events).toEqual([0, 1]);
  });

  test("a repeat stands behind the line that it repeats, and behind another line", () => {
    expect(assigned([line(0), line(0), line(2)], [line(0), line(2)], window).events).toEqual([0, -1, 1]);
  });

  test("a queue that is late as a whole keeps its order", () => {
    const found = assigned([line(0), line(4), line(8)], [line(5), line(9), line(13)], window);
    expect(found).toEqual({ events: [0, 1, 2], ambiguous: [0, 0, 0] });
  });

  test("one line between two events of the same value is not ambiguous; of different values it is", () => {
    expect(assigned([line(5)], [line(3), line(7)], window).ambiguous).toEqual([0]);
    expect(assigned([line(5)], [line(3), line(7, "8")], window).ambiguous).toEqual([1]);
  });

  test("two lines as far from one event: either may be the one without", () => {
    expect(assigned([line(3), line(7)], [line(5)], window).ambiguous).toEqual([1, 1]);
    expect(assigned([line(4), line(7)], [line(5)], window).ambiguous).toEqual([0, 0]);
  });
});

test("a knot that is too large is refused before any room is taken for it", () => {
  const many = Array.from({ length: 3000 }, (_, t) => ({ t, value: "" }));
  expect(assign(many, many, { before: 3000, after: 3000, margin: 0 })).toBeUndefined();
});
