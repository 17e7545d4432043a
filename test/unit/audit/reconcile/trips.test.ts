/**
 * Trips of several passages, prices by a table, discounts.
 *
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Desk } from "../../../support/reconcile-desk.ts";

const LANE = "city/lane-1/toll/l-1";
const base = (match: string, amount: string, more = "") => `
version: 1
csv:
  zone: UTC
  columns: { key: tx, trip: trip, time: at, amount: amount, discount: discount, type: type, reference: ref }
scope: { from: 2026-11-01, to: 2026-12-01, outside: 1 }
match: ${match}
types: { charge: "", refund: R }
amount: ${amount}
${more}`;
const GROUPED = base("{ by: key }", "{ by: event, currency: EUR }", "group: { by: trip }\n");
const SPLIT = base('{ by: key, split: "+" }', "{ by: event, currency: EUR }");
const HEADER = "type,trip,tx,at,amount,discount,ref\n";

let desk: Desk;
let minutes = 0;
beforeEach(() => {
  desk = new Desk();
  minutes = 0;
});
afterEach(() => desk.close());

const passage = (tx: string, cents: number | undefined, more = {}) => {
  const at = new Date(Date.UTC(2026, 10, 10, 8, minutes++)).toISOString();
  return desk.facts.passage(LANE, { tx, at, ...(cents === undefined ? {} : { cents }), ...more });
};
const line = (trip: string, tx: string, amount: string, discount = "") =>
  `,${trip},${tx},2026-11-10T08:00:00,${amount},${discount},\n`;

describe("several lines, one trip", () => {
  test("the sum counts, however it is spread", async () => {
    for (const [tx, cents] of [
      ["a", 100],
      ["b", 200],
      ["c", 300],
      ["d", 400],
    ] as const)
      passage(tx, cents);
    const found = await desk.run(
      GROUPED,
      HEADER + line("1", "a", "6.00") + line("2", "d", "4.00") + line("1", "b", "0") + line("1", "c", ""),
    );
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "billed-and-proven",
      4: "billed-and-proven",
      5: "billed-and-proven",
    });
    expect(found.body.classes[0]?.money).toEqual([
      { currency: "EUR", billed: "10.00", proven: "10.00", difference: "0.00" },
    ]);
  });

  test("a wrong sum is told on each line of the trip, and on no other", async () => {
    for (const tx of ["a", "b", "c"]) passage(tx, 100);
    const found = await desk.run(
      GROUPED,
      HEADER + line("1", "a", "1.00") + line("1", "b", "1.50") + line("2", "c", "1.00"),
    );
    expect(found.lines).toEqual({
      2: "amount-differs trip-charged-too-much",
      3: "amount-differs trip-charged-too-much",
      4: "billed-and-proven",
    });
    expect(found.body.classes.find((one) => one.class === "amount-differs")?.money[0]?.difference).toBe(
      "0.50",
    );
  });

  test("of a trip that isn't proven as a whole each line stands for itself", async () => {
    passage("a", 100);
    passage("b", 100);
    const found = await desk.run(
      GROUPED,
      HEADER +
        line("1", "a", "1.00") +
        line("1", "b", "1.01") +
        line("1", "gone", "1.00") +
        line("", "c", "1.00"),
    );
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "amount-differs charged-too-much",
      4: "billed-not-proven no-event",
      5: "billed-not-proven no-event",
    });
  });

  test("a passage in two trips, or twice in one, is charged twice", async () => {
    passage("a", 100);
    passage("b", 100);
    const found = await desk.run(
      GROUPED,
      HEADER +
        line("1", "a", "1.00") +
        line("2", "a", "1.00") +
        line("3", "b", "1.00") +
        line("3", "b", "1.00"),
    );
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "charged-twice same-event",
      4: "billed-and-proven",
      5: "charged-twice same-event",
    });
  });

  test("refunds rest on the passage that they name", async () => {
    passage("a", 100);
    passage("b", 200);
    const refund = "R,,,2026-11-12T08:00:00,-1.00,,a\n";
    const found = await desk.run(GROUPED, HEADER + line("1", "a", "3.00") + line("1", "b", "0") + refund);
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "billed-and-proven",
      4: "adjusted base-proven",
    });
  });
});

describe("one line, several passages", () => {
  test("the sum of all counts", async () => {
    const hashes = [passage("a", 100), passage("b", 200)];
    passage("c", 300);
    const found = await desk.run(SPLIT, HEADER + line("", "a+b", "3.00") + line("", "c", "3.01"));
    expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "amount-differs charged-too-much" });
    expect(found.rows("billed-and-proven")[0]?.["statements"]).toBe(hashes.join(" "));
    expect(found.unbilled).toEqual([]);
  });

  test("one of them missing, without an amount, of two events, or taken", async () => {
    passage("a", 100);
    passage("b", undefined);
    passage("c", 100);
    passage("c", 100);
    const found = await desk.run(
      SPLIT,
      HEADER +
        line("", "a+gone", "2.00") +
        line("", "a+b", "2.00") +
        line("", "c", "1.00") +
        line("", "gone", "1.00"),
    );
    expect(found.lines).toEqual({
      2: "billed-not-proven passage-missing",
      3: "charged-twice same-event",
      4: "ambiguous key-twice",
      5: "billed-not-proven no-event",
    });
  });

  test("over the end of the period it is of the period in which any of it lies", async () => {
    passage("a", 100);
    passage("b", 200, { at: "2026-12-01T00:05:00Z" });
    passage("c", 300, { at: "2026-12-01T00:06:00Z" });
    const found = await desk.run(SPLIT, HEADER + line("", "a+b", "3.00") + line("", "c+b", "5.00"));
    expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "out-of-period event-out-of-period" });
  });

  test("a refund names the trip by its keys", async () => {
    passage("a", 100);
    passage("b", 200);
    const found = await desk.run(
      SPLIT,
      `${HEADER}${line("", "a+b", "3.00")}R,,,2026-11-12T08:00:00,-1.00,,a+b\n`,
    );
    expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "adjusted base-proven" });
  });
});

describe("prices by a table", () => {
  const tariff = (key: string, rows: string) =>
    `{ by: tariff, currency: EUR, tariff: { key: ${key}, rows: ${rows} } }`;

  test("go by what the evidence says, at the time of the event", async () => {
    passage("a", undefined, { plaza: "north", class: 1 });
    passage("b", undefined, { plaza: "north", class: 2 });
    passage("c", 999, { plaza: "south", class: 1 });
    const map = base(
      "{ by: key }",
      tariff(
        "[plaza, class]",
        "[{ key: [north, 1], amount: 2.50, to: 2026-11-15 }, { key: [north, 1], amount: 2.70, from: 2026-11-15 }, { key: [north, 2], amount: 4.80 }]",
      ),
    );
    const found = await desk.run(
      map,
      HEADER + line("", "a", "2.50") + line("", "b", "2.50") + line("", "c", "9.99"),
    );
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "amount-differs charged-too-little",
      4: "amount-not-attested no-amount",
    });
    expect(found.notProven).toContain("tariff-not-attested");
  });

  test("that hold twice for one time say nothing", async () => {
    passage("a", undefined, { plaza: "north" });
    const map = base(
      "{ by: key }",
      tariff("[plaza]", "[{ key: north, amount: 2.50 }, { key: north, amount: 2.70, from: 2026-11-05 }]"),
    );
    const found = await desk.run(map, HEADER + line("", "a", "2.50"));
    expect(found.lines).toEqual({ 2: "amount-not-attested no-amount" });
  });

  test("from where a trip begins to where it ends", async () => {
    passage("out", undefined, { plaza: "east" });
    passage("mid", undefined, { plaza: "mid" });
    passage("in", undefined, { plaza: "west" });
    const map = base(
      "{ by: key }",
      tariff("[plaza, last.plaza]", "[{ key: [east, west], amount: 7.40 }]"),
      "group: { by: trip }\n",
    );
    const found = await desk.run(
      map,
      HEADER + line("1", "in", "7.40") + line("1", "mid", "0") + line("1", "out", "0"),
    );
    expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "billed-and-proven", 4: "billed-and-proven" });
    expect(found.body.classes[0]?.money).toEqual([
      { currency: "EUR", billed: "7.40", proven: "7.40", difference: "0.00" },
    ]);
  });

  test("from a file, by a column of the line too", async () => {
    passage("a", undefined, { plaza: "north" });
    passage("b", undefined, { plaza: "north" });
    desk.file("prices.csv", "plaza,discount,amount,from,to\nnorth,day,2.50,,\nnorth,night,1.50,,\n");
    const map = base(
      "{ by: key }",
      '{ by: tariff, currency: EUR, tariff: { key: [plaza, "column:discount"], file: prices.csv } }',
    ).replace(", discount: discount", "");
    const found = await desk.run(map, HEADER + line("", "a", "2.50", "day") + line("", "b", "2.50", "night"));
    expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "amount-differs charged-too-much" });
  });
});

describe("discounts", () => {
  test("in percent, from the line; rounded once", async () => {
    for (const tx of ["a", "b", "c"]) passage(tx, 1234);
    const found = await desk.run(
      base("{ by: key }", "{ by: event, currency: EUR }"),
      HEADER + line("", "a", "11.11", "10") + line("", "b", "11.10", "10") + line("", "c", "12.34"),
    );
    expect(found.lines).toEqual({
      2: "billed-and-proven with-discount",
      3: "amount-differs charged-too-little",
      4: "billed-and-proven",
    });
    expect(found.notProven).toContain("discounts-not-attested");
  });

  test("by a code of the map", async () => {
    passage("a", 1000);
    const found = await desk.run(
      base("{ by: key }", "{ by: event, currency: EUR, discounts: { FREQUENT: 12.5 } }"),
      HEADER + line("", "a", "8.75", "FREQUENT"),
    );
    expect(found.lines).toEqual({ 2: "billed-and-proven with-discount" });
  });
});

test("amounts that aren't compared are told as not attested", async () => {
  passage("a", 100);
  const found = await desk.run(
    base("{ by: key }", "{ by: none, currency: EUR }"),
    HEADER + line("", "a", "9.99"),
  );
  expect(found.lines).toEqual({ 2: "amount-not-attested no-amount" });
});
