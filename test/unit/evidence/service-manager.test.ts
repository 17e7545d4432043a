/**
 * What a service says to systemd, and only as long as its parts answer. That systemd hears it, and what it does, is in test/system/packages.test.ts.
 *
 * @module
 */
import { getEventListeners } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { afterAll, describe, expect, test } from "vitest";
import { ServiceManager, type Timer } from "@tallystick/evidence/node";

/** Lets a test say when time passes. */
class HandTimer implements Timer {
  #due: (() => void)[] = [];
  after(_: number, run: () => void): () => void {
    this.#due.push(run);
    return () => (this.#due = this.#due.filter((one) => one !== run));
  }
  async pass(): Promise<void> {
    const due = this.#due;
    this.#due = [];
    for (const run of due) run();
    await turn();
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("the watchdog", () => {
  const timer = new HandTimer();
  const stop = new AbortController();
  const said: string[] = [];
  const manager = new ServiceManager(async (word) => void said.push(word), 1000, timer);

  test("is fed at each beat while all answer, not while one hangs, and again when it answers", async () => {
    let answer = Promise.resolve();
    const watched = manager.watch(() => answer)(stop.signal);
    await turn();
    await timer.pass();
    expect(said).toEqual(["WATCHDOG=1", "WATCHDOG=1"]);

    const hanging = Promise.withResolvers<void>();
    answer = hanging.promise;
    for (let beats = 0; beats < 5; beats++) await timer.pass();
    expect(said).toHaveLength(2);
    answer = Promise.resolve();
    hanging.resolve();
    await turn();
    expect(said).toHaveLength(3);

    stop.abort();
    await watched;
    expect(said.at(-1)).toBe("STOPPING=1");
  });

  test("beats leave nothing behind, however many", async () => {
    const over = new AbortController();
    const beat = new HandTimer();
    let beats = 0;
    const watched = new ServiceManager(async () => void beats++, 1000, beat).watch(async () => {})(
      over.signal,
    );
    for (let i = 0; i < 100; i++) await beat.pass();
    expect(beats).toBeGreaterThan(90);
    expect(getEventListeners(over.signal, "abort").length).toBeLessThan(3);
    over.abort();
    await watched;
  });

  test("what doesn't answer doesn't hold up a stop; what fails ends the stage", async () => {
    const soon = new AbortController();
    const held = manager.watch(() => new Promise(() => {}))(soon.signal);
    soon.abort();
    await held;
    const failing = manager.watch(() => Promise.reject(new Error("the disk")));
    await expect(failing(new AbortController().signal)).rejects.toThrow("the disk");
  });
});

describe("without a service manager", () => {
  test("nothing is said, and the stage only waits for the end", async () => {
    const stop = new AbortController();
    const manager = ServiceManager.of({}, () => expect.unreachable());
    await manager.ready();
    let asked = 0;
    const watched = manager.watch(async () => void asked++)(stop.signal);
    await turn();
    stop.abort();
    await watched;
    expect(asked).toBe(0);
  });
});

describe("by the program that says it", () => {
  const folder = mkdtempSync(join(tmpdir(), "tallystick-notify-"));
  const program = join(folder, "systemd-notify");
  const heard = join(folder, "heard");
  const script = (end: string): void =>
    writeFileSync(program, `#!/bin/sh\necho "$NOTIFY_SOCKET" "$@" >> ${heard}\n${end}\n`, { mode: 0o755 });
  const env = { NOTIFY_SOCKET: "/run/notify", PATH: `${folder}:/usr/bin:/bin`, WATCHDOG_USEC: "60000000" };
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test("it is up, it lives, it stops; a word for another process is none", async () => {
    script("");
    const fail = (message: string): never => expect.unreachable(message);
    await ServiceManager.of({ ...env, WATCHDOG_PID: "1" }, fail).alive();
    const manager = ServiceManager.of({ ...env, WATCHDOG_PID: String(process.pid) }, fail);
    await manager.ready();
    await manager.alive();
    const stop = new AbortController();
    stop.abort();
    await manager.watch(async () => {})(stop.signal);
    expect(readFileSync(heard, "utf8").trim().split("\n")).toEqual([
      "/run/notify READY=1",
      "/run/notify WATCHDOG=1",
      "/run/notify STOPPING=1",
    ]);
  });

  test("what is not heard is told in the log, and nothing fails", async () => {
    script("echo nobody listens >&2; exit 1");
    const told: string[] = [];
    await ServiceManager.of(env, (message) => told.push(message)).ready();
    expect(told.join()).toMatch(/^systemd-notify READY=1: [^]*nobody listens/);
  });
});
