import { beforeEach, expect, test } from "vitest";
import { Hearing } from "../../../anchor/src/restore/hearing.ts";

/** Timers that a test lets go off. */
let timers: { readonly atMs: number; readonly run: () => void }[] = [];
let nowMs = 0;
const time = {
  after(waitMs: number, run: () => void): () => void {
    const timer = { atMs: nowMs + waitMs, run };
    timers.push(timer);
    return () => {
      timers = timers.filter((one) => one !== timer);
    };
  },
};
function pass(ms: number): void {
  nowMs += ms;
  const due = timers.filter(({ atMs }) => atMs <= nowMs);
  timers = timers.filter(({ atMs }) => atMs > nowMs);
  for (const { run } of due) run();
}

let hearing: Hearing;
let isOver = false;

async function note({ over }: Hearing): Promise<void> {
  await over;
  isOver = true;
}

beforeEach(() => {
  [timers, nowMs, isOver] = [[], 0, false];
  hearing = new Hearing({ settleMs: 500, hearMs: 60_000 }, time);
  void note(hearing);
});

const over = async (): Promise<boolean> => {
  await new Promise(setImmediate);
  return isOver;
};

test("is over when all that are online have shown their receipts", async () => {
  hearing.begin();
  hearing.state("city/a", "online");
  hearing.state("city/b", "online");
  pass(500);
  hearing.receipt("city/a");
  expect(await over()).toBe(false);
  hearing.receipt("city/b");
  expect(await over()).toBe(true);
  expect(hearing.heard).toBe(2);
});

test("waits for the states to arrive", async () => {
  hearing.begin();
  hearing.state("city/a", "online");
  hearing.receipt("city/a");
  expect(await over()).toBe(false);
  hearing.state("city/b", "online");
  pass(500);
  expect(await over()).toBe(false);
  hearing.state("city/b", "offline");
  expect(await over()).toBe(true);
});

test("takes its whole time where nobody has anything to show", async () => {
  hearing.begin();
  hearing.state("city/a", "online");
  pass(59_999);
  expect(await over()).toBe(false);
  pass(1);
  expect(await over()).toBe(true);
  expect(hearing.awaited).toBe(1);
});

test("doesn't begin before the broker was reached", async () => {
  pass(100_000);
  expect(await over()).toBe(false);
});

test("the wait begins anew with each connection: while the broker is gone nobody can show anything", async () => {
  hearing.begin();
  hearing.state("city/a", "online");
  hearing.state("city/b", "online");
  pass(500);
  hearing.receipt("city/a");
  hearing.pause();
  pass(100_000);
  expect(await over()).toBe(false);
  hearing.begin();
  pass(59_999);
  expect(await over()).toBe(false);
  hearing.receipt("city/b");
  expect(await over()).toBe(true);
  expect(hearing.heard).toBe(2);
});
