/**
 * Lines without a key: matched by lane and time.
 *
 * @module
 */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Desk } from "../../../support/reconcile-desk.ts";

const LANES = { A: "city/lane-1/toll/l-1", B: "city/lane-2/toll/l-2" } as const;
const MAP = `
version: 1
csv:
  zone: Europe/Vienna
  time: "YYYY-MM-DD HH:mm:ss"
  ambiguous: earlier
  columns: { account: lane, time: at, amount: amount, line: nr, type: type, reference: ref }
scope: { from: 2026-10-01, to: 2026-11-01, zone: Europe/Vienna, outside: 1 }
match: { by: window, before: 5s, after: 5s, same: { class: class } }
types: { charge: "", refund: R, reference: line }
amount: { by: event, currency: EUR }
lookup:
  rows:
    - { account: A, stream: ${LANES.A} }
    - { account: B, stream: ${LANES.B} }
`;
const HEADER = "nr,type,lane,at,class,amount,ref\n";

let desk: Desk;
let count = 0;
beforeEach(() => {
  desk = new Desk();
  count = 0;
});
afterEach(() => desk.close());

const passage = (lane: keyof typeof LANES, at: string, cents: number, more = {}) =>
  desk.facts.passage(LANES[lane], { tx: `t${++count}`, at, cents, ...more });
const line = (lane: string, at: string, amount: string, kind = "1") =>
  `,,${lane},2026-10-${at},${kind},${amount},\n`;

test("by lane, class and time, to the end of the window", async () => {
  passage("A", "2026-10-10T08:00:05Z", 250);
  passage("B", "2026-10-10T08:00:00Z", 250);
  passage("A", "2026-10-10T09:00:00Z", 480, { class: 2 });
  const found = await desk.run(
    MAP,
    HEADER +
      line("A", "10 10:00:00", "2.50") +
      line("B", "10 10:00:06", "2.50") +
      line("A", "10 11:00:00", "4.80", "1") +
      line("C", "10 10:00:00", "2.50"),
  );
  expect(found.lines).toEqual({
    2: "billed-and-proven",
    3: "billed-not-proven no-event",
    4: "billed-not-proven no-event",
    5: "billed-not-proven account-unknown",
  });
  expect(found.unbilled).toEqual(["t2 no-line", "t3 no-line"]);
});

test("a line that repeats another is charged twice; one more in the queue is not proven", async () => {
  passage("A", "2026-10-10T08:00:00Z", 250);
  passage("A", "2026-10-10T09:00:00Z", 250);
  const found = await desk.run(
    MAP,
    HEADER +
      line("A", "10 10:00:00", "2.50") +
      line("A", "10 10:00:00", "2.50") +
      line("A", "10 11:00:00", "2.50") +
      line("A", "10 11:00:01", "2.50"),
  );
  expect(found.lines).toEqual({
    2: "billed-and-proven",
    3: "charged-twice repeats-a-line",
    4: "billed-and-proven",
    5: "billed-not-proven no-event",
  });
});

test("two lines of one second have each the event that agrees with it", async () => {
  passage("A", "2026-10-10T08:00:01Z", 800);
  passage("A", "2026-10-10T08:00:02Z", 200);
  const found = await desk.run(
    MAP,
    HEADER + line("A", "10 10:00:00", "2.00") + line("A", "10 10:00:00", "8.00"),
  );
  expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "billed-and-proven" });
});

test("a tie between events of different amounts is ambiguous, and no event of it is lost", async () => {
  passage("A", "2026-10-10T07:59:58Z", 200);
  passage("A", "2026-10-10T08:00:02Z", 800);
  const found = await desk.run(MAP, HEADER + line("A", "10 10:00:00", "8.00"));
  expect(found.lines).toEqual({ 2: "ambiguous ambiguous-window" });
  expect(found.unbilled).toEqual(["t2 no-line"]);
});

test("a margin asks for more than a tie", async () => {
  passage("A", "2026-10-10T08:00:00Z", 250);
  passage("A", "2026-10-10T08:00:03Z", 250);
  const rows = HEADER + line("A", "10 10:00:00", "2.50") + line("A", "10 10:00:03", "2.50");
  const found = await desk.run(MAP.replace("after: 5s", "after: 5s, margin: 3s"), rows);
  expect(found.lines).toEqual({ 2: "ambiguous ambiguous-window", 3: "ambiguous ambiguous-window" });
});

test("the autumn hour: a line is of the first of the two, as the map says", async () => {
  passage("A", "2026-10-25T00:30:00Z", 250);
  passage("A", "2026-10-25T01:30:00Z", 250);
  const found = await desk.run(MAP, HEADER + line("A", "25 02:30:00", "2.50"));
  expect(found.lines).toEqual({ 2: "billed-and-proven" });
  expect(found.unbilled).toEqual(["t2 no-line"]);
});

test("of a re-rated passage only the newest is there to be billed", async () => {
  const first = passage("A", "2026-10-10T08:00:00Z", 480);
  const second = passage("A", "2026-10-10T08:00:00Z", 250, { supersedes: first });
  const found = await desk.run(
    MAP,
    HEADER + line("A", "10 10:00:00", "2.50") + line("A", "10 10:00:02", "4.80"),
  );
  expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "billed-not-proven no-event" });
  expect(found.rows("billed-and-proven")[0]?.["statements"]).toBe(`${second} ${first}`);
  expect(found.unbilled).toEqual([]);
});

test("refunds by line", async () => {
  passage("A", "2026-10-10T08:00:00Z", 250);
  const charge = "L1,,A,2026-10-10 10:00:00,1,2.50,\n";
  const refund = "L2,R,A,2026-10-20 10:00:00,1,-2.50,L1\n";
  const found = await desk.run(MAP, HEADER + charge + refund);
  expect(found.lines).toEqual({ 2: "billed-and-proven", 3: "adjusted base-proven" });
});

test("a window too wide for the traffic is refused, with what to do", async () => {
  for (let i = 0; i < 1500; i++) passage("A", new Date(Date.UTC(2026, 9, 10, 8, 0, i)).toISOString(), 250);
  const rows = Array.from({ length: 1500 }, (_, i) => {
    const at = new Date(Date.UTC(2026, 9, 10, 10, 0, i)).toISOString().slice(8, 19).replace("T", " ");
    return line("A", at, "2.50");
  });
  const map = MAP.replace("before: 5s, after: 5s", "before: 1h, after: 1h");
  await expect(desk.run(map, HEADER + rows.join(""))).rejects.toThrow(
    /^match: the window is too wide: from line 2 on it joins 1500 lines to one knot; make match.before/,
  );
  expect(desk.leftovers()).toEqual([]);
});
