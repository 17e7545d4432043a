/** Disks that are full, that fail, and that are slow: what was journalled stays, what was not read is told, and nothing is tried again on a broken file. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { EvidenceError, isEvidenceError } from "@tallystick/evidence";
import { freeBytesAt } from "@tallystick/evidence/node";
import type { Log } from "../../../agent/src/log.ts";
import {
  DISK_FULL,
  fullMarkIn,
  isDiskFull,
  MIN_FREE_BYTES,
  openWithRoom,
} from "../../../agent/src/storage/room.ts";
import { openStorage, type Storage } from "../../../agent/src/storage/storage.ts";
import { FakeTime } from "../../support/fake-time.ts";
import { Outage } from "../../support/outage.ts";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tally-disk-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const pages = (storage: Storage): number =>
  storage.query<{ page_count: number }>("PRAGMA page_count").get()?.page_count ?? 0;

/** From here on the database can't grow by more than so many pages. */
const bound = (storage: Storage, more: number): void =>
  void storage.query(`PRAGMA max_page_count = ${pages(storage) + more}`).get();

describe("a database without room", () => {
  test("has a code of its own, and is not written to again", () => {
    const path = folder();
    const storage = openStorage(path);
    bound(storage, 2);
    const insert = storage.prepare("INSERT INTO meta (name, value) VALUES (?, ?)");
    const fill = (): void =>
      storage.transaction(() => {
        for (let i = 0; i < 100; i++) insert.run(`n${i}`, new Uint8Array(1000));
      });
    expect(fill).toThrow(expect.objectContaining({ code: "storage-full", disposition: "stop" }));
    storage.query("PRAGMA max_page_count = 100000").get(); // even though there would be room now
    expect(() => storage.transaction(() => insert.run("time", 1))).toThrow(
      expect.objectContaining({ code: "storage-full" }),
    );
    expect(() => storage.shrink(1)).toThrow(expect.objectContaining({ code: "storage-full" }));
    storage.close();
    const again = openStorage(path);
    expect(again.query("SELECT * FROM meta").all()).toEqual([]);
    again.transaction(() => again.prepare("INSERT INTO meta (name, value) VALUES ('time', 1)").run());
    again.close();
  });

  test("ends the agent; what was journalled is sealed at the next start, and the rest is told with its reason", async () => {
    const meter = { name: "meter/m-1", everyS: 1, names: 6 };
    const world = new Outage({ whenFull: "stop", maxBytes: 1 << 20, streams: [meter] });
    await world.start();
    await world.pass(30);
    bound(world.rig.storage, 4);
    world.rig.anchor.judge = () => "silence";
    await world.pass(120);
    const error: unknown = await world.rig.ended.catch((reason: unknown) => reason);
    expect(isDiskFull(error)).toBe(true);
    const before = world.rig.sealed(meter.name).length;
    await world.pass(60);
    expect(world.rig.sealed(meter.name)).toHaveLength(before);
    world.crash();
    await world.start(DISK_FULL);
    await world.pass(30);
    await world.recover();
    const found = world.check(meter.name);
    expect(found.missing).toMatchObject([{ kind: "told", gaps: [{ reason: "disk-full" }] }]);
    expect(found.missing[0]?.samples).toBeGreaterThan(60);
  });
});

describe("waiting for room", () => {
  type Waiting = {
    readonly time: FakeTime;
    readonly lines: string[];
    free: number | undefined;
    opens: number;
    refuse: EvidenceError | undefined;
    readonly stop: AbortController;
    readonly result: ReturnType<typeof openWithRoom>;
  };

  function waiting(free: number | undefined, refuse?: EvidenceError): Waiting {
    const path = folder();
    const time = new FakeTime();
    const stop = new AbortController();
    const lines: string[] = [];
    const say: Log["info"] = (about, message) => void lines.push(`${JSON.stringify(about)} ${message}`);
    const world = { time, lines, free, opens: 0, refuse, stop };
    const open = (): Storage => {
      world.opens += 1;
      if (world.refuse !== undefined) throw world.refuse;
      return openStorage(path);
    };
    const parts = {
      directory: path,
      open,
      freeBytes: () => world.free,
      timer: time,
      log: { info: say, warn: say, error: say },
    };
    const result = openWithRoom(parts, stop.signal);
    result.then((opened) => opened?.storage.close()).catch(() => {});
    return Object.assign(world, { result });
  }

  test("is no waiting where there is room, or nobody can tell", async () => {
    for (const free of [MIN_FREE_BYTES, undefined]) {
      const { result, lines } = waiting(free);
      expect((await result)?.waited).toBe(false);
      expect(lines).toEqual([]);
    }
  });

  test("goes on when space returns, says what is wrong now and then, and touches nothing until then", async () => {
    const world = waiting(MIN_FREE_BYTES - 1);
    await world.time.advance(86_400_000);
    expect(world.opens).toBe(0);
    expect(world.lines.length).toBeGreaterThan(3);
    expect(world.lines.length).toBeLessThan(20);
    expect(world.lines[0]).toContain("storage-full");
    world.free = 10 * MIN_FREE_BYTES;
    await world.time.advance(10_000);
    expect((await world.result)?.waited).toBe(true);
  });

  test("goes on waiting where the disk says that it is full, whatever is free", async () => {
    const world = waiting(10 * MIN_FREE_BYTES, new EvidenceError("storage-full", "full"));
    await world.time.advance(60_000);
    expect(world.opens).toBe(7);
    world.refuse = undefined;
    await world.time.advance(10_000);
    expect((await world.result)?.waited).toBe(true);
  });

  test("ends with another fault, and when asked to stop", async () => {
    const failed = waiting(undefined, new EvidenceError("storage-failed", "no such disk"));
    await expect(failed.result).rejects.toMatchObject({ code: "storage-failed" });
    const stopped = waiting(0);
    await stopped.time.advance(30_000);
    stopped.stop.abort();
    expect(await stopped.result).toBeUndefined();
  });

  test("what ended the last run is remembered by an empty file", () => {
    const mark = fullMarkIn(folder());
    expect(mark.isThere()).toBe(false);
    mark.make();
    expect(mark.isThere()).toBe(true);
    mark.remove();
    mark.remove();
    expect(mark.isThere()).toBe(false);
    fullMarkIn(join(folder(), "not", "there")).make();
  });

  test("free bytes are those of the folder's disk", () => {
    expect(freeBytesAt(folder())).toBeGreaterThan(0);
    expect(freeBytesAt(join(folder(), "not", "there"))).toBeUndefined();
    expect(isDiskFull(new AggregateError([new Error("x"), new EvidenceError("storage-full", "")]))).toBe(
      true,
    );
    expect(isDiskFull(new EvidenceError("storage-failed", ""))).toBe(false);
    expect(isEvidenceError(new Error("x"))).toBe(false);
  });
});

describe("a slow disk", () => {
  /** Each transaction takes so long; nothing else runs meanwhile, but time passes and the meter speaks. */
  function slow(world: Outage, ms: () => number): void {
    const { storage, time } = world.rig;
    const transaction = storage.transaction.bind(storage);
    storage.transaction = <T>(write: () => T): T =>
      transaction(() => {
        const result = write();
        time.nowMs += ms();
        return result;
      });
  }

  const world = (holds: number, hasClock: boolean): Outage =>
    new Outage({
      whenFull: "stop",
      maxBytes: 1 << 20,
      streams: [{ name: "meter/m-1", everyS: 1, names: 6, holds, hasClock }],
    });

  test("loses nothing that a socket holds meanwhile", async () => {
    const socket = world(Infinity, true);
    await socket.start();
    await socket.pass(10);
    let ms = 8000;
    slow(socket, () => ms);
    await socket.pass(120);
    ms = 0;
    await socket.pass(60);
    await socket.recover();
    const { samples, missing } = socket.check("meter/m-1");
    expect(missing).toEqual([]);
    expect(samples.timed).toBeGreaterThan(180);
  });

  test.for([true, false])("tells what a serial line lost; the meter has a clock: %s", async (hasClock) => {
    const line = world(4, hasClock);
    await line.start();
    await line.pass(10);
    let ms = 20_000;
    slow(line, () => {
      const took = ms;
      ms = 0;
      return took;
    });
    await line.pass(60);
    await line.recover();
    const { missing } = line.check("meter/m-1");
    expect(missing).toMatchObject([{ kind: "told", gaps: [{ reason: "disk-slow" }] }]);
    expect(missing[0]?.samples).toBeGreaterThan(10);
  });

  test("has nothing to tell where samples are rarer than it is slow", async () => {
    const rare = new Outage({
      whenFull: "stop",
      maxBytes: 1 << 20,
      streams: [{ name: "meter/m-1", everyS: 30, names: 6, holds: 1, hasClock: true }],
    });
    await rare.start();
    slow(rare, () => 5000);
    await rare.pass(600);
    await rare.recover();
    expect(rare.check("meter/m-1").missing).toEqual([]);
  });
});
