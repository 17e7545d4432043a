/** Which numbers of a chain belong to a period, where the numbers are an attacker's. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { Periods } from "../../../anchor/src/reads/period.ts";
import { AnchorLog, type AnchorChain } from "../../support/anchor-log.ts";

const LAST = Number.MAX_SAFE_INTEGER;
let log: AnchorLog;
let chain: AnchorChain;

beforeEach(async () => {
  log = await AnchorLog.create();
  const device = await log.enrol("city/gw-1");
  chain = device.chain();
});
afterEach(() => log.remove());

test("numbers up to the last one that there is are found, from either end", async () => {
  const opening = await chain.open();
  const prev = new Uint8Array(32).fill(7);
  const one = await chain.seal(chain.pack(1), { seq: LAST - 1, prev });
  const last = await chain.seal(chain.pack(2), { seq: LAST, prev: one.hash });
  const times: number[] = [];
  for (const statement of [opening, one, last]) {
    log.clock.now += 100;
    times.push(log.clock.now);
    await log.publish(log.sequence([], [statement]));
  }
  const { store } = log.opened;
  const periods = new Periods(store);
  const found = store.chains.find("city/gw-1", chain.sub, chain.ch);
  if (found === undefined) throw new Error("no chain");
  const listed = { ...found, iss: "city/gw-1", sub: chain.sub, ch: chain.ch };
  const extent = (from: number | undefined, to: number | undefined) =>
    periods.extent(listed, log.size, from === undefined ? 0 : periods.committedFrom(from, log.size), {
      from,
      to,
    });
  expect(await extent(undefined, undefined)).toMatchObject({ first: 0, last: LAST, from: 0, to: LAST });
  expect(await extent(times[1], log.clock.now + 100_000)).toMatchObject({ from: LAST - 1, to: LAST });
  expect(await extent(times[2], log.clock.now + 100_000)).toMatchObject({ from: LAST, to: LAST });
  expect(await extent(undefined, (times[0] ?? 0) - 100_000)).toMatchObject({ from: null, to: null });
});

test("a period begins with the first entry that was committed at its begin or later, whatever the log's clock did", async () => {
  // Set back and forth by hours, as by nobody's hand that means well.
  const moves = [
    0, 60, 60, 20_000, 30, -30_000, 60, 60, 9000, 60, -8000, 60, 40_000, 60, -90_000, 60, 60, 200_000,
  ];
  for (const byS of moves) {
    log.clock.now += byS;
    await log.publish(log.sequence([], await chain.filled(1)));
  }
  const batches = (): { size: number; time: number }[] =>
    log.opened.store.db.prepare("SELECT size, time FROM batches ORDER BY size").all() as never;
  const times = batches().map(({ time }) => time);
  expect(times.filter((time, i) => time < (times[i - 1] ?? 0)).length).toBeGreaterThan(2);
  const compare = (): void => {
    const periods = new Periods(log.opened.store);
    for (const at of new Set([...times, ...times.map((time) => time + 1), 0])) {
      const first = batches().findIndex(({ time }) => time >= at);
      const expected = first < 0 ? log.size : (batches()[first - 1]?.size ?? 0);
      expect(periods.committedFrom(at, log.size), String(at)).toBe(expected);
    }
  };
  compare();
  log.opened.store.db.exec("DROP TABLE falls; PRAGMA user_version = 3");
  await log.reopen(); // of the version before, brought up to this one
  compare();
});

test("at an old tree the numbers are found as by looking at each, and nobody waits for more than some thousand", async () => {
  await log.publish(log.sequence([], await chain.filled(3)));
  const { store } = log.opened;
  const found = store.chains.find("city/gw-1", chain.sub, chain.ch);
  if (found === undefined) throw new Error("no chain");
  const size = log.size;
  // Numbers come in any order: some of the old ones are high, and most of the new ones lie between them.
  const insert = store.db.prepare(
    "INSERT INTO statements(idx, hash, chain, seq, bytes) VALUES (?, ?, ?, ?, NULL)",
  );
  const put = (index: number, seq: number): void => void insert.run(index, new Uint8Array(32), found.id, seq);
  store.db.exec("BEGIN");
  for (let n = 0; n < 30_000; n++) put(size + 100 + n, 3 + n);
  const old = [40_000, 40_007, 41_000];
  for (const [i, seq] of old.entries()) put(size + i, seq);
  for (let n = 0; n < 30_000; n++) put(size + 50_000 + n, 50_000 + n);
  store.db.exec("COMMIT");
  let turns = 0;
  const periods = new Periods(store, () => Promise.resolve(void turns++));
  const listed = { ...found, last: 79_999, iss: "city/gw-1", sub: chain.sub, ch: chain.ch };
  const extent = (at: number, committed = 0) => periods.extent(listed, at, committed, {});
  expect(await extent(size + 3)).toEqual({ first: 0, last: 41_000, from: 0, to: 41_000 });
  expect(turns).toBeGreaterThan(2);
  expect(await extent(size + 3, size + 1)).toEqual({ first: 0, last: 41_000, from: 40_007, to: 41_000 });
  expect(await extent(size)).toEqual({ first: 0, last: 2, from: 0, to: 2 });
  expect(await extent(1)).toBeUndefined();
  turns = 0;
  expect(await extent(size + 80_000)).toEqual({ first: 0, last: 79_999, from: 0, to: 79_999 });
  expect(turns).toBe(0);
});
