/** The device's own stream: starts, heads, steps of the clock. */
import { describe, expect, test } from "vitest";
import {
  decimal,
  encodeEvent,
  formatDecimal,
  toHex,
  type Event,
  type Head,
  type Statement,
} from "@tallystick/evidence";
import { split } from "../../../agent/src/self/system.ts";
import { BUILD, NOW, observation, Rig, STREAM } from "../../support/agent-rig.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const events = <K extends Event["kind"]>(rig: Rig, kind: K): readonly Extract<Event, { kind: K }>[] =>
  rig
    .sealed("sys")
    .flatMap(({ event }) => (event?.kind === kind ? [event as Extract<Event, { kind: K }>] : []));

const headOf = (statements: readonly Statement[]): Head => {
  const last = statements.at(-1);
  if (last?.claims.ch === undefined) throw new Error("no head");
  return { sub: last.claims.sub, ch: last.claims.ch, seq: last.claims.seq, hash: last.hash };
};

describe("heads", () => {
  test("are told every heartbeat: those that moved, and all of them once an hour", async () => {
    const rig = new Rig();
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(2 * HOUR + MINUTE);
    const told = events(rig, "heads");
    expect(told.length).toBe(24);
    expect(told[0]).toMatchObject({ all: true, heads: [headOf(rig.sealed(STREAM))] });
    expect(told[1]).toEqual({ kind: "heads", all: false, heads: [] });
    expect(told.flatMap(({ all }, i) => (all ? [i + 1] : []))).toEqual([1, 13]);
    rig.source.push(observation(2));
    await rig.time.advance(6 * MINUTE);
    expect(events(rig, "heads").at(-1)?.heads).toEqual([headOf(rig.sealed(STREAM))]);
  });

  test("are told every hour, all of them once a day, where the line is metered", async () => {
    const rig = new Rig("metered: true");
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(26 * HOUR);
    const told = events(rig, "heads");
    expect(told.length).toBe(26);
    expect(told.flatMap(({ all }, i) => (all ? [i + 1] : []))).toEqual([1, 25]);
  });

  test("of all streams are told after a restart, so that what was sealed before a crash is attested", async () => {
    const rig = new Rig();
    await rig.start();
    rig.source.push(observation(1));
    await rig.time.advance(MINUTE);
    rig.crash();
    await rig.start();
    expect(events(rig, "heads")).toEqual([{ kind: "heads", all: true, heads: [headOf(rig.sealed(STREAM))] }]);
  });

  test("of very many streams are told in parts, each within a statement", () => {
    const heads = Array.from({ length: 700 }, (_, i): Head => ({
      sub: `${"x".repeat(120)}/${i}`,
      ch: new Uint8Array(8),
      seq: 2 ** 53 - 1,
      hash: new Uint8Array(32),
    }));
    const parts = split(heads);
    expect(parts.flat()).toEqual(heads);
    expect(parts.length).toBeGreaterThan(3);
    for (const part of parts) {
      const event: Event = { kind: "heads", all: true, heads: part, part: { i: 1, n: parts.length } };
      expect(encodeEvent(event).length).toBeLessThan(31_000);
    }
  });
});

describe("a start", () => {
  test("is told with its version, a random id, and the last moment known alive", async () => {
    const rig = new Rig();
    await rig.start();
    await rig.time.advance(10 * MINUTE);
    rig.crash();
    await rig.time.advance(HOUR);
    await rig.start();
    const [first, second] = events(rig, "boot");
    expect(first).toMatchObject({ version: "0.0.0" });
    expect(first?.alive).toBeUndefined();
    expect(second?.alive).toBeGreaterThanOrEqual(NOW / 1000 + 9 * 60);
    expect(second?.alive).toBeLessThanOrEqual(NOW / 1000 + 10 * 60);
    expect(toHex(first?.boot ?? new Uint8Array())).not.toBe(toHex(second?.boot ?? new Uint8Array()));
  });

  test("tells the configuration when it is another one", async () => {
    const rig = new Rig();
    await rig.start();
    await rig.stop();
    await rig.start();
    await rig.stop();
    rig.configure("heartbeat: 600");
    await rig.start();
    expect(events(rig, "config-changed").length).toBe(2);
    expect(toHex(events(rig, "config-changed")[1]?.hash ?? new Uint8Array())).toBe(toHex(rig.settings.hash));
  });
});

describe("the clock", () => {
  const step = (rig: Rig): Extract<Event, { kind: "clock-step" }> | undefined =>
    events(rig, "clock-step").at(-1);

  test("synchronised from the start: no step is told", async () => {
    const rig = new Rig();
    await rig.start();
    await rig.stop();
    await rig.time.advance(HOUR);
    await rig.start();
    await rig.time.advance(10 * MINUTE);
    expect(events(rig, "clock-step")).toEqual([]);
  });

  test("unsynchronised after a power cut: goes on from the last time known, and says so until it is right", async () => {
    const rig = new Rig();
    await rig.start();
    await rig.time.advance(10 * MINUTE);
    rig.crash();
    rig.system.set(0); // 1970
    rig.system.isSynchronised = false;
    await rig.start();
    const boot = rig.sealed("sys").findLast(({ event }) => event?.kind === "boot");
    expect(boot?.claims.tq).toBe(1);
    expect(boot?.claims.iat).toBeGreaterThanOrEqual(NOW / 1000 + 540);
    expect(boot?.claims.iat).toBeLessThanOrEqual(NOW / 1000 + 600);
    rig.source.push(observation(1));
    await rig.time.advance(30_000);
    rig.system.set(NOW + 5 * HOUR);
    rig.system.isSynchronised = true;
    await rig.time.advance(35_000);
    expect(step(rig)?.tq).toBe(2);
    expect(Number(formatDecimal(step(rig)?.after ?? decimal(0)))).toBeCloseTo(
      (NOW + 5 * HOUR) / 1000 + 30,
      0,
    );
    const pack = rig.sealed(STREAM).at(-1);
    expect(pack?.records, "sealed after the step").toBe(1);
    expect(pack?.claims.tq, "and still on the clock that it was taken by").toBe(1);
    expect(pack?.claims.iat).toBeLessThan(NOW / 1000 + 1000);
    rig.source.push(observation(2));
    await rig.time.advance(61_000);
    expect(rig.sealed(STREAM).at(-1)?.claims.tq).toBe(2);
  });

  test("a step of more than a second is told, a slew is not", async () => {
    const rig = new Rig();
    await rig.start();
    rig.system.set(rig.system.wallUnixMs() + 400);
    await rig.time.advance(2 * MINUTE);
    expect(events(rig, "clock-step")).toEqual([]);
    rig.system.set(rig.system.wallUnixMs() - HOUR);
    await rig.time.advance(2 * MINUTE);
    const told = step(rig);
    if (told === undefined) throw new Error("no step");
    const seconds = Number(formatDecimal(told.before)) - Number(formatDecimal(told.after));
    expect(seconds).toBeCloseTo(3600, 0);
    expect(told.tq).toBe(2);
  });

  test("that went back while the machine was off is told at the start", async () => {
    const rig = new Rig();
    await rig.start();
    await rig.time.advance(10 * MINUTE);
    rig.crash();
    rig.system.set(NOW - HOUR);
    await rig.start();
    expect(events(rig, "clock-step").length).toBe(1);
  });

  test("that loses its synchronisation goes on, and says that it is only running free", async () => {
    const rig = new Rig();
    await rig.start();
    rig.system.isSynchronised = false;
    rig.system.set(0);
    await rig.time.advance(2 * MINUTE);
    expect(step(rig)).toMatchObject({ tq: 1 });
    expect(rig.sealed("sys").at(-1)?.claims.iat).toBeGreaterThanOrEqual(NOW / 1000);
  });

  test("is not believed where it stands before the program was built, synchronised or not", async () => {
    const rig = new Rig();
    rig.system.set(BUILD - 1000);
    await rig.start();
    expect(rig.sealed("sys").every(({ claims }) => claims.tq === 0 && claims.iat === undefined)).toBe(true);
    expect(rig.lines.some(({ level, about }) => level === "warn" && about["tq"] === 0)).toBe(true);
  });

  test.for<[string, boolean, number, 0 | 1 | 2]>([
    ["none", true, NOW, 0],
    ["auto", false, NOW, 0],
    ["rtc", false, NOW, 1],
    ["rtc", false, 0, 0],
    ["rtc", true, NOW, 2],
    ["system", false, NOW, 2],
  ])("trusted as %s, synchronised %s, at %d: quality %d", async ([trust, isSynchronised, nowMs, tq]) => {
    const rig = new Rig(`clock: { trust: ${trust} }`);
    rig.system.isSynchronised = isSynchronised;
    rig.system.set(nowMs);
    await rig.start();
    expect(new Set(rig.sealed().map(({ claims }) => claims.tq))).toEqual(new Set([tq]));
  });

  test("a time that nobody knew is not remembered as one", async () => {
    const rig = new Rig();
    rig.system.isSynchronised = false;
    await rig.start();
    await rig.time.advance(10 * MINUTE);
    rig.crash();
    await rig.start();
    expect(rig.sealed("sys").every(({ claims }) => claims.tq === 0)).toBe(true);
    expect(events(rig, "boot").at(-1)?.alive).toBeUndefined();
  });
});
