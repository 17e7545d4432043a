import { describe, expect, test, vi } from "vitest";
import { Pool } from "../../../anchor/src/intake/pool.ts";
import { Ready } from "../../../anchor/src/sequence/ready.ts";

describe("the pool", () => {
  test("is full by number and by bytes, and lets the next one in when somebody has left", () => {
    const pool = new Pool({ maxItems: 2, maxBytes: 100 });
    const resumed: string[] = [];
    pool.enter(10);
    pool.whenRoom(() => resumed.push("at once"));
    expect(resumed).toEqual(["at once"]);
    pool.enter(90);
    expect(pool.full).toBe(true);
    pool.whenRoom(() => resumed.push("later"));
    expect(resumed).toEqual(["at once"]);
    pool.leave(10);
    expect(resumed).toEqual(["at once", "later"]);
    pool.leave(90);
    expect(pool.items).toBe(0);
  });

  test("full by bytes alone makes them wait too", () => {
    const pool = new Pool({ maxItems: 10, maxBytes: 100 });
    const resume = vi.fn<() => void>();
    pool.enter(100);
    pool.whenRoom(resume);
    expect(resume).not.toHaveBeenCalled();
    pool.leave(100);
    expect(resume).toHaveBeenCalledOnce();
  });

  test("lets nobody wait while nobody makes room, and says that what comes then is to be let go", () => {
    const pool = new Pool({ maxItems: 1, maxBytes: 100 });
    const resume = vi.fn<() => void>();
    pool.draining = false;
    expect(pool.overflows).toBe(false);
    pool.enter(10);
    expect(pool.overflows).toBe(true);
    pool.whenRoom(resume);
    expect(resume).toHaveBeenCalledOnce();
    pool.draining = true;
    expect(pool.overflows).toBe(false);
    pool.whenRoom(resume);
    expect(resume).toHaveBeenCalledOnce();
  });
});

describe("the queue of what is ready", () => {
  test("closes a batch when it is full, in order, and keeps what is over for the next", async () => {
    const ready = new Ready<number>({ maxItems: 3, maxWaitMs: 10_000 });
    for (const n of [1, 2, 3, 4, 5, 6, 7]) ready.push(n);
    expect(await ready.next()).toEqual([1, 2, 3]);
    expect(await ready.next()).toEqual([4, 5, 6]);
    ready.close();
    expect(await ready.next()).toEqual([7]);
    expect(await ready.next()).toBeUndefined();
  });

  test("closes a batch that is not full after its time", async () => {
    const ready = new Ready<number>({ maxItems: 100, maxWaitMs: 5 });
    const batch = ready.next();
    ready.push(0); // falsy, and an item like any other
    expect(await batch).toEqual([0]);
  });

  test("ends a reader that waits", async () => {
    const ready = new Ready<number>({ maxItems: 100, maxWaitMs: 5 });
    const batch = ready.next();
    ready.close();
    expect(await batch).toBeUndefined();
  });
});
