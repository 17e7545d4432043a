/**
 * Whole reconciliations of random offices, beside a model that looks at each event by itself and knows nothing of databases.
 *
 * @module
 */
import fc from "fast-check";
import { expect, test } from "vitest";
import { Desk } from "../../../support/reconcile-desk.ts";

const LANE = "city/lane-1/toll/l-1";
const MAP = `
version: 1
csv: { zone: UTC, columns: { key: tx, type: type, reference: ref, time: at, amount: amount } }
scope: { from: 2026-11-01, to: 2026-12-01, grace: { before: 1d, after: 1d }, outside: 1 }
match: { by: key }
types: { charge: M, refund: R }
amount: { by: event, currency: EUR }
`;

/** Days of November, from 1; 0 and 31 lie in the grace, -5 and 40 beyond it. */
const day = fc.constantFrom(-5, 0, 1, 10, 30, 31, 40);
const timeOf = (of: number): string => new Date(Date.UTC(2026, 9, 31 + of, 12)).toISOString().slice(0, 19);
const inScope = (of: number): boolean => of >= 1 && of <= 30;
const near = (of: number): boolean => of >= 0 && of <= 31;

const passage = fc.record({
  key: fc.integer({ min: 0, max: 9 }),
  day,
  cents: fc.option(fc.constantFrom(100, 200), { nil: undefined, freq: 8 }),
  standing: fc.constantFrom("good", "good", "good", "restricted", "bad"),
});
const line = fc.record({
  key: fc.integer({ min: 0, max: 11 }),
  day,
  cents: fc.constantFrom(100, 200),
  refund: fc.boolean(),
});
type Passage = typeof passage extends fc.Arbitrary<infer T> ? T : never;
type Line = typeof line extends fc.Arbitrary<infer T> ? T : never;
type Placed = Line & { readonly n: number };

const classed = (cents: number, expected: number | undefined): string =>
  expected === undefined
    ? "amount-not-attested"
    : cents === expected
      ? "billed-and-proven"
      : "amount-differs";

/** Class of each line of one key, by its number, and whether its event is left without a line. */
function model(
  passages: readonly Passage[],
  lines: readonly Placed[],
): { classes: Map<number, string>; unbilled: Passage[] } {
  const classes = new Map<number, string>();
  const proven = passages.filter(({ standing }) => standing !== "bad");
  const [event] = proven;
  const late = (one: Line): boolean => !near(one.day);
  if (event === undefined || proven.length > 1) {
    for (const one of lines) {
      const none = late(one) || !inScope(one.day) ? "out-of-period" : "billed-not-proven";
      classes.set(one.n, event === undefined ? none : "ambiguous");
    }
    const billed = lines.some(({ refund }) => !refund);
    return { classes, unbilled: billed ? [] : proven };
  }
  const charged = lines.filter(({ refund }) => !refund);
  const isOther = (one: Line): boolean =>
    late(one) || !near(event.day) || (!inScope(event.day) && !inScope(one.day));
  for (const one of charged.filter(isOther)) classes.set(one.n, "out-of-period");
  const isOtherChange = (one: Line): boolean => late(one) || (!inScope(one.day) && !inScope(event.day));
  const changes = lines.filter(({ refund }) => refund);
  for (const one of changes.filter(isOtherChange)) classes.set(one.n, "out-of-period");
  const here = charged.filter((one) => !isOther(one));
  const back = changes.filter((one) => !isOtherChange(one));
  const open = [...here];
  for (const { cents } of here.length > 1 ? back : []) {
    const at = open.findIndex((one) => one.cents === cents);
    if (at >= 0) classes.set(open.splice(at, 1)[0]?.n ?? 0, "adjusted");
  }
  const first = open.find((one) => open.length > 1 && one.cents === event.cents) ?? open[0];
  for (const one of open)
    classes.set(one.n, one === first ? classed(one.cents, event.cents) : "charged-twice");
  let left = here.length > 0 ? here.reduce((sum, { cents }) => sum + cents, 0) : (event.cents ?? Infinity);
  for (const one of back) {
    left -= one.cents;
    classes.set(one.n, left < 0 ? "amount-differs" : "adjusted");
  }
  return { classes, unbilled: charged.length === 0 ? [event] : [] };
}

test("every line and every event is classed as the model has it", async () => {
  const office = fc.record({
    passages: fc.array(passage, { maxLength: 14 }),
    lines: fc.array(line, { maxLength: 40 }),
  });
  await fc.assert(
    fc.asyncProperty(office, async ({ passages, lines }) => {
      const desk = new Desk();
      try {
        for (const { key, day: of, cents, standing } of passages) {
          const amount = cents === undefined ? {} : { cents };
          desk.facts.passage(LANE, { tx: `k${key}`, at: `${timeOf(of)}Z`, standing, ...amount });
        }
        const rows = lines.map(({ key, day: of, cents, refund }) => {
          const [tx, ref, sign] = refund ? ["", `k${key}`, "-"] : [`k${key}`, "", ""];
          return `${refund ? "R" : "M"},${tx},${ref},${timeOf(of)},${sign}${cents / 100}\n`;
        });
        const found = await desk.run(MAP, `type,tx,ref,at,amount\n${rows.join("")}`);
        const placed = lines.map((one, i) => ({ ...one, n: i + 2 }));
        const expected: Record<number, string> = {};
        const unbilled: string[] = [];
        for (let key = 0; key < 12; key++) {
          const own = model(
            passages.filter((one) => one.key === key),
            placed.filter((one) => one.key === key),
          );
          for (const [n, name] of own.classes) expected[n] = name;
          for (const one of own.unbilled) if (inScope(one.day)) unbilled.push(`k${key} no-line`);
        }
        const classes = Object.fromEntries(
          Object.entries(found.lines).map(([n, said]) => [n, said.split(" ")[0]]),
        );
        expect(classes).toEqual(expected);
        expect(found.unbilled.toSorted((a, b) => (a < b ? -1 : 1))).toEqual(
          unbilled.toSorted((a, b) => (a < b ? -1 : 1)),
        );
        expect(found.findings).toBe(
          Object.values(expected).filter(
            (name) => !["billed-and-proven", "adjusted", "amount-not-attested"].includes(name),
          ).length + unbilled.length,
        );
      } finally {
        desk.close();
      }
    }),
    { numRuns: 60 },
  );
});
