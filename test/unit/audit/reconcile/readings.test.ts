/**
 * Registers and consumption, beside readings.
 *
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Desk } from "../../../support/reconcile-desk.ts";

const METER = "city/gw-1/meter/m-1";
const MAP = `
version: 1
csv:
  separator: ";"
  decimal: ","
  zone: Europe/Vienna
  time: DD.MM.YYYY
  until: last-day
  columns: { account: Konto, time: von, until: bis, quantity: kWh, line: Nr, type: Art, reference: Bezug, amount: Betrag }
scope: { from: 2026-11-01, to: 2026-12-01, zone: Europe/Vienna, outside: 1 }
pick: { value: interval, register: "1-0:1.8.0", maxAge: 1h }
types: { charge: "", refund: S, reference: line }
amount: { by: none, currency: EUR }
lookup:
  rows:
    - { account: K1, stream: ${METER} }
`;
const HEADER = "Nr;Art;Konto;von;bis;kWh;Betrag;Bezug\n";
const line = (kwh: string, from = "01.11.2026", until = "30.11.2026", account = "K1") =>
  `;;${account};${from};${until};${kwh};;\n`;

const START = "2026-10-31T23:00:00Z"; // midnight in Vienna
const MIDDLE = "2026-11-15T23:00:00Z";
const END = "2026-11-30T23:00:00Z";

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});
afterEach(() => {
  expect(desk.leftovers()).toEqual([]);
  desk.close();
});

describe("consumption", () => {
  test("is the difference of two registers, each the last one before", async () => {
    desk.facts.opened(METER, "m1", 6);
    const first = desk.facts.register(METER, "2026-10-31T22:45:00Z", "1000.500");
    desk.facts.register(METER, MIDDLE, "1100.000");
    const last = desk.facts.register(METER, END, "1250.25");
    desk.facts.register(METER, "2026-11-30T23:15:00Z", "9999");
    const found = await desk.run(MAP, HEADER + line("249,75"));
    expect(found.lines).toEqual({ 2: "billed-and-proven" });
    expect(found.rows("billed-and-proven")[0]).toMatchObject({
      account: "K1",
      stream: METER,
      time: "2026-11-01T00:00:00+01:00",
      until: "2026-12-01T00:00:00+01:00",
      quantityBilled: "249.75",
      quantityProven: "249.75",
      statements: `${first} ${last}`,
      indexes: "102 104",
    });
    expect(found.body.classes[0]?.quantity).toEqual({ billed: "249.75", proven: "249.75" });
    expect(found.notProven).toContain("amounts-not-attested");
  });

  test.for([
    ["249,75", "billed-and-proven"],
    ["249,76", "amount-differs quantity-too-large"],
    ["249,74", "amount-differs quantity-too-small"],
    ["", "amount-differs no-quantity-billed"],
  ] as const)("%s kWh", async ([kwh, said]) => {
    desk.facts.register(METER, START, "1000.5");
    desk.facts.register(METER, END, "1250.25");
    const found = await desk.run(MAP, HEADER + line(kwh));
    expect(found.lines).toEqual({ 2: said });
  });

  test.for([
    ["no reading near the beginning", "2026-10-31T21:59:59Z", END, {}, {}, "no-reading-at-start"],
    ["no reading near the end", START, "2026-11-30T21:59:59Z", {}, {}, "no-reading-at-end"],
    ["one without standing", START, END, {}, { standing: "bad", code: "key-revoked" }, "no-reading-at-end"],
    ["an estimated one", START, END, { q: ["estimated"] }, {}, "no-reading-at-start"],
  ] as const)("%s", async ([, from, to, first, last, reason]) => {
    desk.facts.register(METER, from, "1000", first);
    desk.facts.register(METER, to, "1100", last);
    const found = await desk.run(MAP, HEADER + line("100"));
    expect(found.lines).toEqual({ 2: `billed-not-proven ${reason}` });
  });

  test("two values for one time are no value", async () => {
    desk.facts.register(METER, START, "1000");
    desk.facts.register(METER, END, "1100");
    desk.facts.register(METER, END, "1101");
    const found = await desk.run(MAP, HEADER + line("100"));
    expect(found.lines).toEqual({ 2: "ambiguous two-values" });
  });

  test("the same value twice is one, and a dispute between the ends doesn't matter", async () => {
    desk.facts.register(METER, START, "1000");
    desk.facts.register(METER, START, "1000.0");
    desk.facts.register(METER, MIDDLE, "1050");
    desk.facts.register(METER, MIDDLE, "9050");
    desk.facts.register(METER, MIDDLE, "9050");
    desk.facts.register(METER, END, "1100");
    const found = await desk.run(MAP, HEADER + line("100"));
    expect(found.lines).toEqual({ 2: "billed-and-proven" });
  });

  test("a rollover at the declared width goes on counting", async () => {
    desk.facts.opened(METER, "m1", 5);
    desk.facts.register(METER, START, "99990.5");
    desk.facts.register(METER, MIDDLE, "99999");
    desk.facts.register(METER, END, "10.25");
    const found = await desk.run(MAP, HEADER + line("19,75"));
    expect(found.lines).toEqual({ 2: "billed-and-proven" });
  });

  test.for([
    ["not declared", undefined, "99990.5", "10.25", "amount-differs register-backwards"],
    ["not allowed", 5, "99990.5", "10.25", "amount-differs register-backwards"],
    ["by more than half of the width", 5, "40000", "10.25", "amount-differs register-backwards"],
  ] as const)("a fall that is no rollover: %s", async ([why, digits, from, to, said]) => {
    if (digits !== undefined) desk.facts.opened(METER, "m1", digits);
    desk.facts.register(METER, START, from);
    desk.facts.register(METER, END, to);
    const map = why === "not allowed" ? MAP.replace("maxAge: 1h", "maxAge: 1h, rollover: false") : MAP;
    const found = await desk.run(map, HEADER + line("19,75"));
    expect(found.lines).toEqual({ 2: said });
  });

  test("a register that ran backwards proves nothing, even where the ends agree with the bill", async () => {
    desk.facts.opened(METER, "m1", 6);
    for (const [at, value] of [
      [START, "1000"],
      [MIDDLE, "1200"],
      ["2026-11-16T00:00:00Z", "1050"],
      [END, "1100"],
    ] as const)
      desk.facts.register(METER, at, value);
    const found = await desk.run(MAP, HEADER + line("100"));
    expect(found.lines).toEqual({ 2: "billed-not-proven register-backwards" });
  });

  test("a change of the meter is bridged by its two registers", async () => {
    desk.facts.opened(METER, "m1", 6);
    desk.facts.register(METER, START, "1000");
    const change = desk.facts.meterChanged(METER, "m1", "m2", { last: "1070.5", first: "3" });
    desk.facts.register(METER, END, "13.25");
    const found = await desk.run(MAP, HEADER + line("80,75"));
    expect(found.lines).toEqual({ 2: "billed-and-proven" });
    expect(found.rows("billed-and-proven")[0]?.["statements"]).toContain(change);
  });

  test.for([
    ["without its registers", "meter-change-without-registers"],
    ["of which nobody told", "meter-change-untold"],
  ] as const)("a change %s is not bridged", async ([, reason]) => {
    desk.facts.opened(METER, "m1", 6);
    desk.facts.register(METER, START, "1000");
    if (reason === "meter-change-untold") desk.facts.opened(METER, "m2", 6);
    else desk.facts.meterChanged(METER, "m1", "m2");
    desk.facts.register(METER, END, "1100");
    const found = await desk.run(MAP, HEADER + line("100"));
    expect(found.lines).toEqual({ 2: `billed-not-proven ${reason}` });
  });

  test("an opening that comes before the word about the change is no second change", async () => {
    desk.facts.opened(METER, "m1", 6);
    desk.facts.register(METER, START, "1000");
    desk.facts.opened(METER, "m2", 6);
    desk.facts.meterChanged(METER, "m1", "m2", { last: "1050", first: "0" });
    desk.facts.register(METER, END, "50");
    const found = await desk.run(MAP, HEADER + line("100"));
    expect(found.lines).toEqual({ 2: "billed-and-proven" });
  });
});

describe("accounts", () => {
  test("unknown, not in the case, of two streams", async () => {
    const map = `${MAP}    - { account: K2, stream: city/gw-9/meter/m-9 }
    - { account: K3, stream: ${METER} }
    - { account: K3, stream: city/gw-9/meter/m-9 }
`;
    desk.facts.register(METER, START, "1000");
    desk.facts.register(METER, END, "1000");
    const found = await desk.run(
      map,
      HEADER +
        line("0", undefined, undefined, "K9") +
        line("0", undefined, undefined, "K2") +
        line("0", undefined, undefined, "K3"),
    );
    expect(found.lines).toEqual({
      2: "billed-not-proven account-unknown",
      3: "billed-not-proven stream-not-in-case",
      4: "ambiguous account-twice",
    });
  });

  const other = "city/gw-2/meter/m-2";
  const moving = `${MAP.replace(/ {4}- \{ account: K1.*\n/, "")}    - { account: K1, stream: ${METER}, multiplier: 40, to: 2026-11-16 }
    - { account: K1, stream: ${other}, multiplier: 0.3, from: 2026-11-16 }
round: { quantity: { places: 1, mode: down } }
`;
  const move = () => {
    desk.facts.register(METER, START, "10.001");
    desk.facts.register(METER, MIDDLE, "11.006"); // 1.005 × 40 = 40.2
    desk.facts.register(other, MIDDLE, "0");
    desk.facts.register(other, END, "7.9"); // × 0.3 = 2.37
  };

  test("move to another meter on a day, with a factor and rounding: a line for each meter", async () => {
    move();
    const rows = line("40,2", "01.11.2026", "15.11.2026") + line("2,3", "16.11.2026", "30.11.2026");
    const found = await desk.run(moving, HEADER + rows);
    expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "billed-and-proven" });
    expect(found.unbilled).toEqual([]);
  });

  test("move to another meter on a day: one line over both, rounded once", async () => {
    move();
    const found = await desk.run(moving, HEADER + line("42,5"));
    expect(found.lines).toEqual({ 2: "billed-and-proven" });
    expect(found.rows("billed-and-proven")[0]?.["statements"]?.split(" ")).toHaveLength(4);
    expect(found.unbilled).toEqual([]);
  });

  test("a line that goes on where the lookup has ended is not proven", async () => {
    move();
    const found = await desk.run(
      moving.replace(", from: 2026-11-16", ", from: 2026-11-17"),
      HEADER + line("42,5"),
    );
    expect(found.lines).toEqual({ 2: "billed-not-proven lookup-ends-within" });
  });

  test("from a file beside the map, which is named in the result", async () => {
    desk.facts.register(METER, START, "1000");
    desk.facts.register(METER, END, "1100");
    desk.file("accounts.csv", `account,stream,register\nK1,${METER},1-0:1.8.0\n`);
    const map = MAP.replace(/lookup:\n.*\n.*\n/, "lookup: { file: accounts.csv }\n");
    const found = await desk.run(map, HEADER + line("100"));
    expect(found.lines).toEqual({ 2: "billed-and-proven" });
    expect(found.inputs.map(({ role, name }) => `${role} ${name}`)).toEqual([
      "export export.csv",
      "map accounts.csv",
    ]);
  });
});

describe("twice, and not at all", () => {
  test("lines that overlap charge twice; neighbours don't", async () => {
    for (const [at, value] of [
      [START, "1000"],
      [MIDDLE, "1040"],
      [END, "1100"],
    ] as const)
      desk.facts.register(METER, at, value);
    const rows =
      line("40", "01.11.2026", "15.11.2026") + line("60", "16.11.2026", "30.11.2026") + line("100");
    const found = await desk.run(MAP, HEADER + rows);
    // By time the first is the shorter one of the two that begin together.
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "charged-twice overlaps-a-line",
      4: "charged-twice overlaps-a-line",
    });
  });

  test("a bill that was taken back and made anew", async () => {
    desk.facts.register(METER, START, "1000");
    desk.facts.register(METER, END, "1100");
    const first = "R1;;K1;01.11.2026;30.11.2026;120;24,00;\n";
    const back = "R2;S;K1;01.11.2026;30.11.2026;-120;-24,00;R1\n";
    const again = "R3;;K1;01.11.2026;30.11.2026;100;20,00;\n";
    const found = await desk.run(MAP, HEADER + first + back + again);
    expect(found.lines).toEqual({
      2: "adjusted reversed",
      3: "adjusted base-proven",
      4: "billed-and-proven",
    });
  });

  test("what is taken back of a line that isn't proven isn't either", async () => {
    desk.facts.register(METER, START, "1000");
    const charge = "R1;;K1;01.11.2026;30.11.2026;120;24,00;\n";
    const back = (ref: string) => `R2;S;K1;01.11.2026;30.11.2026;-20;-4,00;${ref}\n`;
    const found = await desk.run(MAP, HEADER + charge + back("R1") + back("R7"));
    expect(found.lines).toEqual({
      2: "billed-not-proven no-reading-at-end",
      3: "billed-not-proven base-not-proven",
      4: "billed-not-proven base-not-found",
    });
  });

  test("a short line within a long one doesn't end it", async () => {
    desk.facts.register(METER, START, "1000");
    desk.facts.register(METER, END, "1100");
    const rows = line("100") + line("1", "05.11.2026", "10.11.2026") + line("1", "12.11.2026", "15.11.2026");
    const found = await desk.run(MAP, HEADER + rows);
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "charged-twice overlaps-a-line",
      4: "charged-twice overlaps-a-line",
    });
    expect(found.unbilled).toEqual([]);
  });

  test("consumption without a line, whole or between lines", async () => {
    for (const [at, value] of [
      [START, "1000"],
      [MIDDLE, "1040"],
      [END, "1100"],
    ] as const)
      desk.facts.register(METER, at, value);
    const other = "city/gw-2/meter/m-2";
    desk.facts.register(other, START, "5");
    desk.facts.register(other, END, "7.5");
    const map = `${MAP}    - { account: K2, stream: ${other} }\n`;
    const found = await desk.run(map, HEADER + line("60", "16.11.2026", "30.11.2026"));
    expect(found.unbilled).toEqual(["K1 between-lines 40", "K2 no-line 2.5"]);
    expect(found.body.evidence.proven).toBe(2);
  });
});

describe("registers as they stood", () => {
  const map = MAP.replace("value: interval", "value: register")
    .replace("until: bis, ", "")
    .replace("maxAge: 1h", "maxAge: 0");
  const stood = (kwh: string, at: string) => `;;K1;${at};;${kwh};;\n`;

  test("at both ends of the scope, to the second", async () => {
    desk.facts.register(METER, START, "1000.000");
    desk.facts.register(METER, "2026-11-14T22:59:59Z", "1040");
    desk.facts.register(METER, END, "1100.5");
    const found = await desk.run(
      map,
      HEADER + stood("1000", "01.11.2026") + stood("1040", "15.11.2026") + stood("1100,5", "01.12.2026"),
    );
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "billed-not-proven no-reading",
      4: "billed-and-proven",
    });
  });

  test("twice at one moment, and not at all", async () => {
    desk.facts.register(METER, START, "1000");
    desk.facts.register(METER, END, "1100");
    desk.facts.register("city/gw-2/meter/m-2", END, "7");
    const more = `${map}    - { account: K2, stream: city/gw-2/meter/m-2 }\n`;
    const found = await desk.run(more, HEADER + stood("1000", "01.11.2026") + stood("1000", "01.11.2026"));
    expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "charged-twice same-moment" });
    expect(found.unbilled).toEqual(["K2 no-line 7"]);
  });
});

test("money by a table: price and fixed amount, as they were at the time", async () => {
  desk.facts.register(METER, START, "1000");
  desk.facts.register(METER, MIDDLE, "1041");
  desk.facts.register(METER, END, "1100.5");
  const map = MAP.replace(
    "amount: { by: none, currency: EUR }",
    `amount:
  by: tariff
  currency: EUR
  tariff:
    key: ["column:Art"]
    rows:
      - { key: "H", price: 0.2143, amount: 1.00, to: 2026-11-16 }
      - { key: "H", price: 0.3, from: 2026-11-16 }`,
  ).replace('charge: ""', 'charge: ["H", "X"]');
  const row = (kind: string, from: string, until: string, kwh: string, amount: string) =>
    `;${kind};K1;${from};${until};${kwh};${amount};\n`;
  const found = await desk.run(
    map,
    HEADER +
      row("H", "01.11.2026", "15.11.2026", "41", "9,79") + // 8.7863 + 1.00
      row("H", "16.11.2026", "30.11.2026", "59,5", "17,85"),
  );
  expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "billed-and-proven" });
  expect(found.body.classes[0]?.money).toEqual([
    { currency: "EUR", billed: "27.64", proven: "27.64", difference: "0.00" },
  ]);
});
