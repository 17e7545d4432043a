/**
 * Each class of lines, planted alone: toll transactions matched by their key.
 *
 * @module
 */
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decimal } from "@tallystick/evidence";
import { LINE_CLASSES } from "../../../../audit/src/reconcile/body.ts";
import { Desk } from "../../../support/reconcile-desk.ts";

const LANE = "city/lane-1/toll/l-1";
const MAP = `
version: 1
csv:
  separator: ";"
  decimal: ","
  zone: Europe/Vienna
  time: DD.MM.YYYY HH:mm:ss
  columns: { key: Tx, line: Nr, type: Art, reference: Bezug, time: Zeit, amount: Betrag }
scope: { from: 2026-11-01, to: 2026-12-01, zone: Europe/Vienna, grace: { before: 1h, after: 2d }, outside: 1 }
match: { by: key }
types:
  charge: Maut
  adjustment: Korrektur
  refund: { values: Gutschrift, sign: negate }
  ignore: Summe
amount: { by: event, currency: EUR }
`;
const HEADER = "Nr;Art;Tx;Bezug;Zeit;Betrag\n";

let desk: Desk;
beforeEach(() => {
  desk = new Desk();
});
afterEach(() => {
  expect(desk.leftovers()).toEqual([]);
  desk.close();
});

const passage = (tx: string, cents: number | undefined, at = "2026-11-10T08:00:00Z", more = {}) =>
  desk.facts.passage(LANE, { tx, at, ...(cents === undefined ? {} : { cents }), ...more });

const charge = (tx: string, amount: string, time = "10.11.2026 09:00:00") =>
  `1;Maut;${tx};;${time};${amount}\n`;

describe("one line alone", () => {
  test("billed and proven, with its statement, index and checkpoint", async () => {
    const hash = passage("a", 350);
    const found = await desk.run(MAP, HEADER + charge("a", "3,50"));
    expect(found.lines).toEqual({ 2: "billed-and-proven" });
    expect(found.rows("billed-and-proven")).toEqual([
      {
        line: "2",
        type: "charge",
        key: "a",
        account: "",
        stream: LANE,
        time: "2026-11-10T09:00:00+01:00",
        until: "",
        currency: "EUR",
        billed: "3.50",
        proven: "3.50",
        difference: "0.00",
        quantityBilled: "",
        quantityProven: "",
        reason: "",
        statements: hash,
        indexes: "101",
        checkpoint: "1000",
      },
    ]);
    expect([found.findings, found.beyond]).toEqual([0, 0]);
  });

  test.for([
    ["no such event", "b", "3,50", "billed-not-proven no-event"],
    ["too much", "a", "3,51", "amount-differs charged-too-much"],
    ["too little", "a", "3,49", "amount-differs charged-too-little"],
    ["nothing billed", "a", "", "amount-differs no-amount-billed"],
  ] as const)("%s", async ([, tx, amount, said]) => {
    passage("a", 350);
    const found = await desk.run(MAP, HEADER + charge(tx, amount));
    expect(found.lines).toEqual({ 2: said });
    expect(found.findings).toBe(tx === "b" ? 2 : 1); // the event of no line is the second
  });

  test("an event whose statement has no standing proves nothing, and is told apart", async () => {
    passage("a", 350, undefined, { standing: "bad", code: "signature-invalid" });
    passage("b", 350, undefined, { standing: "unproven", code: "receipt-missing" });
    passage("c", 350, undefined, { standing: "restricted", code: "declared-suspect-later" });
    const found = await desk.run(
      MAP,
      HEADER + charge("a", "3,50") + charge("b", "3,50") + charge("c", "3,50"),
    );
    expect(found.lines).toEqual({
      2: "billed-not-proven statement-unproven",
      3: "billed-not-proven statement-unproven",
      4: "billed-and-proven",
    });
    expect(found.unbilled).toEqual([]);
    expect(found.body.evidence).toMatchObject({ proven: 1, unproven: 2 });
  });

  test("an event without an amount", async () => {
    passage("a", undefined);
    const found = await desk.run(MAP, HEADER + charge("a", "3,50"));
    expect(found.lines).toEqual({ 2: "amount-not-attested no-amount" });
    expect(found.findings).toBe(0);
    expect(found.notProven).toContain("amounts-not-attested");
  });

  test("another currency is no equal amount", async () => {
    desk.facts.passage(LANE, { tx: "a", at: "2026-11-10T08:00:00Z", cents: 350, currency: "CHF" });
    const found = await desk.run(MAP, HEADER + charge("a", "3,50"));
    expect(found.lines).toEqual({ 2: "amount-differs other-currency" });
  });

  test("proven, not billed: only what lies in the scope, and asks for money", async () => {
    passage("in", 350);
    passage("free", 0);
    passage("unpriced", undefined, "2026-11-10T08:00:01Z");
    passage("just-before", 350, "2026-10-31T22:59:59Z"); // a second before November in Vienna
    passage("first", 350, "2026-10-31T23:00:00Z");
    passage("after", 350, "2026-11-30T23:00:00Z");
    const found = await desk.run(MAP, HEADER);
    expect(found.unbilled).toEqual(["first no-line", "in no-line", "unpriced no-line"]);
    expect(found.body.evidence).toEqual({ proven: 4, unproven: 0, inGrace: 2, notDemanded: 1 });
    expect(found.body.classes.at(-1)?.money).toEqual([
      { currency: "EUR", billed: "0.00", proven: "7.00", difference: "-7.00" },
    ]);
  });

  test("charged twice: the one that agrees stands, wherever it is", async () => {
    passage("a", 350);
    const found = await desk.run(
      MAP,
      HEADER + charge("a", "9,00") + charge("a", "3,50") + charge("a", "3,50"),
    );
    expect(found.lines).toEqual({
      2: "charged-twice same-event",
      3: "billed-and-proven",
      4: "charged-twice same-event",
    });
  });

  test("two events of one key: ambiguous", async () => {
    passage("a", 350);
    passage("a", 350, "2026-11-10T09:00:00Z");
    const found = await desk.run(MAP, HEADER + charge("a", "3,50"));
    expect(found.lines).toEqual({ 2: "ambiguous key-twice" });
    expect(found.unbilled).toEqual([]);
  });
});

describe("the period", () => {
  test.for([
    ["line and event in it", "30.11.2026 23:59:59", "2026-11-30T22:59:59Z", "billed-and-proven"],
    [
      "a line in the grace, its event in the scope",
      "01.12.2026 00:00:01",
      "2026-11-30T22:59:59Z",
      "billed-and-proven",
    ],
    [
      "a line in the scope, its event in the grace",
      "30.11.2026 23:59:59",
      "2026-11-30T23:00:00Z",
      "billed-and-proven",
    ],
    [
      "both in the grace: of the next period",
      "01.12.2026 08:00:00",
      "2026-12-01T07:00:00Z",
      "out-of-period event-out-of-period",
    ],
    [
      "a line beyond the grace",
      "03.12.2026 00:00:00",
      "2026-11-30T22:59:59Z",
      "out-of-period line-out-of-period",
    ],
    [
      "an event beyond the grace",
      "30.11.2026 23:59:59",
      "2026-12-05T00:00:00Z",
      "out-of-period event-out-of-period",
    ],
    ["before it", "31.10.2026 22:59:59", "2026-10-31T21:59:59Z", "out-of-period line-out-of-period"],
  ] as const)("%s", async ([, line, event, said]) => {
    passage("a", 350, event);
    const found = await desk.run(MAP, HEADER + charge("a", "3,50", line));
    expect(found.lines).toEqual({ 2: said });
  });

  test("without a time in the export the event's own decides", async () => {
    passage("in", 350);
    passage("out", 350, "2026-12-05T00:00:00Z");
    const map = MAP.replace("time: Zeit, ", "");
    const found = await desk.run(map, HEADER + charge("in", "3,50", "") + charge("out", "3,50", ""));
    expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "out-of-period event-out-of-period" });
  });

  test("an export of another month is refused, with its month", async () => {
    passage("a", 350);
    const lines = Array.from({ length: 4 }, () => charge("a", "3,50", "05.10.2026 12:00:00")).join("");
    await expect(
      desk.run(MAP.replace("outside: 1", "outside: 0.2"), HEADER + lines + charge("a", "3,50")),
    ).rejects.toThrow(
      "export.csv: this export is of 2026-10, the scope is 2026-11-01 to 2026-12-01 (Europe/Vienna): 4 of 5 lines lie outside; give the right export, change scope, or raise scope.outside",
    );
  });
});

describe("refunds and adjustments", () => {
  const refund = (ref: string, amount: string, time = "20.11.2026 09:00:00") =>
    `9;Gutschrift;;${ref};${time};${amount}\n`;
  const change = (ref: string, amount: string) => `9;Korrektur;;${ref};20.11.2026 09:00:00;${amount}\n`;

  test("rest on the event they name", async () => {
    passage("a", 350);
    const found = await desk.run(
      MAP,
      HEADER + charge("a", "3,50") + refund("a", "1,00") + change("a", "-0,50"),
    );
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "adjusted base-proven",
      4: "adjusted base-proven",
    });
    expect(found.body.classes.find((one) => one.class === "adjusted")?.money).toEqual([
      { currency: "EUR", billed: "-1.50", proven: null, difference: null },
    ]);
  });

  test("of an event that isn't there are not proven", async () => {
    const found = await desk.run(MAP, HEADER + refund("nowhere", "1,00"));
    expect(found.lines).toEqual({ 2: "billed-not-proven base-not-found" });
  });

  test("may come later than the period of their event", async () => {
    passage("a", 350, "2026-09-10T08:00:00Z");
    const found = await desk.run(MAP, HEADER + refund("a", "3,50"));
    expect(found.lines).toEqual({ 2: "adjusted base-proven" });
  });

  test("can't give back more than was charged", async () => {
    passage("a", 350);
    const found = await desk.run(
      MAP,
      HEADER + charge("a", "3,50") + refund("a", "3,00") + refund("a", "0,51"),
    );
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "adjusted base-proven",
      4: "amount-differs refunded-more-than-charged",
    });
  });

  test("a charge that was taken back in full makes room for another", async () => {
    const first = passage("a", 500);
    passage("a", 400, "2026-11-10T08:00:00Z", { supersedes: first });
    const found = await desk.run(
      MAP,
      HEADER + charge("a", "5,00") + refund("a", "5,00") + charge("a", "4,00"),
    );
    expect(found.lines).toEqual({
      2: "adjusted reversed",
      3: "adjusted base-proven",
      4: "billed-and-proven",
    });
  });

  test("a second charge that was given back is no double", async () => {
    passage("a", 350);
    const found = await desk.run(
      MAP,
      HEADER + charge("a", "3,50") + charge("a", "3,50") + refund("a", "3,50"),
    );
    expect(found.lines).toEqual({
      2: "adjusted reversed",
      3: "billed-and-proven",
      4: "adjusted base-proven",
    });
  });

  test("signed ones are laid beside theirs, one to one", async () => {
    const base = passage("a", 350);
    const signed = desk.facts.adjustment(LANE, base, -100);
    const found = await desk.run(
      MAP,
      HEADER + charge("a", "3,50") + change("a", "-1,00") + change("a", "-0,20"),
    );
    expect(found.lines).toMatchObject({ 2: "billed-and-proven", 3: "adjusted adjustment-proven" });
    expect(found.rows("adjusted")[0]?.["statements"]).toBe(`${base} ${signed}`);
    expect(found.unbilled).toEqual([]);
  });

  test("signed ones may be in the charge already", async () => {
    desk.facts.adjustment(LANE, passage("a", 350), -100);
    const found = await desk.run(MAP, HEADER + charge("a", "2,50"));
    expect(found.lines).toEqual({ 2: "billed-and-proven with-adjustments" });
    expect(found.unbilled).toEqual([]);
  });

  test("one without standing, or of another organisation, changes nothing", async () => {
    const base = passage("a", 350);
    desk.facts.adjustment(LANE, base, -100, { standing: "bad", code: "key-revoked" });
    desk.facts.adjustment("other/office/adjustments", base, -200);
    const found = await desk.run(MAP, HEADER + charge("a", "2,50") + charge("a", "1,50"));
    expect(found.lines).toEqual({
      2: "amount-differs charged-too-little",
      3: "charged-twice same-event",
    });
    expect(found.unbilled).toEqual([]);
  });

  test("a signed one that another has replaced doesn't count", async () => {
    const base = passage("a", 350);
    const first = desk.facts.adjustment(LANE, base, -100);
    desk.facts.adjustment(LANE, base, -50, { supersedes: first });
    const found = await desk.run(MAP, HEADER + charge("a", "3,00"));
    expect(found.lines).toEqual({ 2: "billed-and-proven with-adjustments" });
    expect(found.unbilled).toEqual([]);
  });

  test("a signed one that nobody passed on is told", async () => {
    desk.facts.adjustment(LANE, passage("a", 350), -100);
    const found = await desk.run(MAP, HEADER + charge("a", "3,50"));
    expect(found.lines).toEqual({ 2: "billed-and-proven" });
    expect(found.unbilled).toEqual(["a adjustment-without-line"]);
  });

  test("by the line they name", async () => {
    passage("a", 350);
    const map = MAP.replace("ignore: Summe", "ignore: Summe\n  reference: line");
    const rows =
      "L7;Maut;a;;10.11.2026 09:00:00;3,50\nL8;Gutschrift;;L7;20.11.2026 09:00:00;1,00\nL9;Gutschrift;;L1;20.11.2026 09:00:00;1,00\n";
    const found = await desk.run(map, HEADER + rows);
    expect(found.lines).toEqual({
      2: "billed-and-proven",
      3: "adjusted base-proven",
      4: "billed-not-proven base-not-found",
    });
  });
});

describe("re-rated events", () => {
  test("the newest of a chain counts, whichever key the line has", async () => {
    const first = passage("a", 500);
    const second = passage("a2", 400, undefined, { supersedes: first });
    const third = passage("a3", 300, undefined, { supersedes: second });
    const found = await desk.run(MAP, HEADER + charge("a", "3,00"));
    expect(found.lines).toEqual({ 2: "billed-and-proven" });
    expect(found.rows("billed-and-proven")[0]?.["statements"]).toBe([third, second, first].join(" "));
    expect(found.unbilled).toEqual([]);
  });

  test("a line for the old and one for the new one charge twice", async () => {
    passage("b", 400, undefined, { supersedes: passage("a", 500) });
    const found = await desk.run(MAP, HEADER + charge("a", "5,00") + charge("b", "4,00"));
    expect(found.lines).toEqual({ 2: "charged-twice same-event", 3: "billed-and-proven" });
  });

  test("the old amount differs", async () => {
    passage("a", 400, undefined, { supersedes: passage("a", 500) });
    const found = await desk.run(MAP, HEADER + charge("a", "5,00"));
    expect(found.lines).toEqual({ 2: "amount-differs charged-too-much" });
  });

  test("two that supersede the same one: nobody can tell", async () => {
    const first = passage("a", 500);
    passage("b", 400, undefined, { supersedes: first });
    passage("c", 300, undefined, { supersedes: first });
    const found = await desk.run(MAP, HEADER + charge("a", "3,00") + charge("b", "4,00"));
    expect(found.lines).toEqual({ 2: "ambiguous superseded-twice", 3: "ambiguous superseded-twice" });
  });

  test("one without standing supersedes nothing, nor does another organisation's", async () => {
    passage("x", 100, undefined, { supersedes: passage("a", 500), standing: "bad", code: "key-revoked" });
    const b = passage("b", 500);
    desk.facts.passage("other/lane-9/toll/l-9", {
      tx: "y",
      at: "2026-11-10T08:00:00Z",
      cents: 100,
      supersedes: b,
    });
    const found = await desk.run(MAP, HEADER + charge("a", "5,00") + charge("b", "5,00"));
    expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "billed-and-proven" });
    expect(found.unbilled).toEqual(["y no-line"]);
  });
});

test("subtotals are left out, and counted", async () => {
  passage("a", 350);
  const found = await desk.run(MAP, `${HEADER}${charge("a", "3,50")};Summe;;;;3,50\n`);
  expect(found.body.export).toEqual({ lines: 1, ignored: 1, money: [{ currency: "EUR", billed: "3.50" }] });
});

test("tolerance: an amount within it is equal, findings within it are no failure", async () => {
  passage("a", 350);
  passage("b", 350);
  const map = `${MAP}tolerance: { amount: 0.02, findings: { billed-not-proven: 1 } }\n`;
  const found = await desk.run(map, HEADER + charge("a", "3,52") + charge("b", "3,53") + charge("c", "3,50"));
  expect(found.lines).toEqual({
    2: "billed-and-proven",
    3: "amount-differs charged-too-much",
    4: "billed-not-proven no-event",
  });
  expect([found.findings, found.beyond]).toEqual([2, 1]);
});

test("events that the map doesn't demand need no line, and prove one all the same", async () => {
  passage("a", 350, undefined, { validity: "exempt" });
  passage("b", 350, undefined, { validity: "exempt" });
  passage("c", 350);
  const found = await desk.run(
    `${MAP}evidence: { demand: { validity: valid } }\n`,
    HEADER + charge("a", "3,50"),
  );
  expect(found.lines).toEqual({ 2: "billed-and-proven" });
  expect(found.unbilled).toEqual(["c no-line"]);
  expect(found.body.evidence).toMatchObject({ notDemanded: 1 });
});

test("an account names the stream in which the key must be", async () => {
  passage("a", 350);
  desk.facts.passage("city/lane-2/toll/l-2", { tx: "a", at: "2026-11-10T08:00:00Z", cents: 480 });
  const map =
    MAP.replace("key: Tx,", "key: Tx, account: Nr,").replace(" line: Nr,", "") +
    `lookup:
  rows:
    - { account: L1, stream: ${LANE} }
    - { account: L2, stream: city/lane-2/toll/l-2 }
`;
  const row = (lane: string, amount: string) => `${lane};Maut;a;;10.11.2026 09:00:00;${amount}\n`;
  const found = await desk.run(map, HEADER + row("L1", "3,50") + row("L2", "4,80") + row("L3", "3,50"));
  expect(found.lines).toEqual({
    2: "billed-and-proven",
    3: "billed-and-proven",
    4: "billed-not-proven account-unknown",
  });
});

test("records of an office, as events of kind ref, by whichever member", async () => {
  const amount = { minor: 350, currency: "EUR", tariff: "t1" };
  const record = (id: string, type: string) =>
    desk.facts.event("city/office/permits", {
      kind: "ref",
      id,
      type,
      t: decimal(Date.parse("2026-11-10T08:00:00Z"), -3),
      amount,
    });
  record("P-1", "permit");
  record("P-2", "permit");
  record("P-3", "note");
  const map = `${MAP}evidence: { kind: ref, demand: { type: permit } }\n`;
  const found = await desk.run(map, HEADER + charge("P-1", "3,50"));
  expect(found.lines).toEqual({ 2: "billed-and-proven" });
  expect(found.unbilled).toEqual(["P-2 no-line"]);
});

test("what the case names and doesn't hold is said", async () => {
  desk.facts.withheld(LANE, 7);
  const found = await desk.run(MAP, HEADER + charge("a", "3,50"));
  expect(found.lines).toEqual({ 2: "billed-not-proven no-event" });
  expect(found.notProven).toContain("withheld");
});

test("every line has one class, and the sums are those of the lines", async () => {
  for (let i = 0; i < 40; i++) passage(`t${i}`, 100 + i);
  const rows = Array.from({ length: 120 }, (_, i) =>
    charge(`t${i % 50}`, `${1 + (i % 7)},${String(i % 50).padStart(2, "0")}`),
  );
  const found = await desk.run(MAP, HEADER + rows.join(""));
  expect(Object.keys(found.lines)).toHaveLength(120);
  expect(found.body.classes.map((one) => one.class)).toEqual(LINE_CLASSES);
  const counted = found.body.classes
    .filter((one) => one.class !== "proven-not-billed")
    .reduce((sum, one) => sum + one.count, 0);
  expect(counted).toBe(120);
  const cents = (text: string): number => Math.round(Number(text) * 100);
  const billed = found.body.classes
    .flatMap((one) => one.money)
    .reduce((sum, one) => sum + cents(one.billed), 0);
  expect(billed).toBe(cents(found.body.export.money[0]?.billed ?? ""));
});
