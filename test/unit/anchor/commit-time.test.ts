import type { Logger } from "pino";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { ClockWatch, commitTime, MAX_HELD_S } from "../../../anchor/src/sequence/commit-time.ts";
import { AnchorLog, type AnchorChain } from "../../support/anchor-log.ts";

const T = 1_790_000_000;

test("a clock that stands before the newest commit is held by up to two hours, and believed beyond", () => {
  expect(commitTime(T)).toBe(T);
  expect(commitTime(T + 1, T)).toBe(T + 1);
  expect(commitTime(T, T)).toBe(T);
  expect(commitTime(T - 1, T)).toBe(T);
  expect(commitTime(T - MAX_HELD_S, T)).toBe(T);
  expect(commitTime(T - MAX_HELD_S - 1, T)).toBe(T - MAX_HELD_S - 1);
  expect(MAX_HELD_S).toBe(7200);
});

describe("a log whose clock is set back", () => {
  let log: AnchorLog;
  let chain: AnchorChain;
  beforeEach(async () => {
    log = await AnchorLog.create();
    chain = (await log.enrol("city/gw-1")).chain();
  });
  afterEach(() => log.remove());

  /** Commit time of one batch more, with the clock put so far forward or back. */
  async function committed(byS: number): Promise<number | undefined> {
    log.clock.now += byS;
    const done = log.sequence([], await chain.filled(1));
    await log.publish(done);
    expect(log.opened.store.batches.last()?.timeUnixS).toBe(done.batch?.timeUnixS);
    return done.batch?.timeUnixS;
  }

  test("says the newest time again until the clock has caught up, also after a start", async () => {
    const first = (await committed(60)) ?? 0;
    expect(await committed(-3600)).toBe(first);
    expect(await committed(1800)).toBe(first);
    await log.reopen();
    expect(await committed(600)).toBe(first);
    expect(await committed(1300)).toBe(first + 100);
  });

  test("believes the clock where it had been far in the future", async () => {
    const first = (await committed(60)) ?? 0;
    const year = 365 * 86_400;
    expect(await committed(year)).toBe(first + year);
    expect(await committed(-year)).toBe(first);
    expect(await committed(60)).toBe(first + 60);
  });
});

test("that the clock stands before the newest commit is told once, until it has caught up", () => {
  let [now, newest] = [T, T];
  const warn = vi.fn<Logger["warn"]>();
  const watch = new ClockWatch({ nowUnixS: () => now, newestUnixS: newest, logger: { warn } });
  const commitAt = (clockUnixS: number): void => {
    now = clockUnixS;
    newest = commitTime(now, newest);
    watch.committed(newest);
  };
  commitAt(T);
  commitAt(T + 9);
  expect(warn).not.toHaveBeenCalled();
  commitAt(T - 5);
  commitAt(T - 4);
  expect(warn).toHaveBeenCalledTimes(1);
  expect(warn.mock.calls[0]?.[0]).toEqual({ behindS: 14, maxHeldS: MAX_HELD_S });
  commitAt(T + 20);
  commitAt(T - 86_400);
  expect(warn).toHaveBeenCalledTimes(2);
  commitAt(T - 86_399); // after what was committed last
  expect(warn).toHaveBeenCalledTimes(2);
});
