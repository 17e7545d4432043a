import process from "node:process";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  decimal,
  decodeEvent,
  decodePack,
  encodeEvent,
  encodePack,
  formatDecimal,
  type Reading,
} from "@tallystick/evidence";
import { sample, Sampler, type SamplerOptions } from "../../../agent/src/sample/sample.ts";
import { P1Framer } from "../../../agent/src/sources/p1/frame.ts";
import { observe } from "../../../agent/src/sources/p1/readings.ts";
import { readTelegram } from "../../../agent/src/sources/p1/telegram.ts";
import type { Observation, Register, Sampled } from "../../../agent/src/sources/source.ts";
import { advance, startState, telegram } from "../../../demo/meter.ts";

const T0 = 1_750_000_000;

/** A clock that the test moves. */
const testClock = () => {
  const clock = {
    nowMs: 1000,
    monotonicMs: () => clock.nowMs,
    now: () => ({ timeUnixMs: T0 * 1000 + clock.nowMs, tq: 2 as const }),
  };
  return clock;
};

const reading = (
  name: string,
  value: string,
  timeUnixS: number | null,
  quality: Reading["quality"] = [],
): Reading => ({
  name,
  unit: "kWh",
  value: { v: decimal(BigInt(value.replace(".", "")), -(value.split(".")[1] ?? "").length) },
  time: timeUnixS === null ? null : decimal(timeUnixS),
  quality,
});

const observed = (readings: readonly Reading[], meter?: string): Observation => ({
  readings,
  registers: readings.map(({ name }): Register => ({
    name,
    unit: "kWh",
    type: "counter",
    digits: { whole: 6, fraction: 3 },
  })),
  receivedUnixMs: T0 * 1000,
  ...(meter === undefined ? {} : { meter }),
});

/** What was sampled, in short: `1.8.0=1.000 conflict`. */
const brief = (sampled: readonly Sampled[]): string[] =>
  sampled.flatMap((one) =>
    one.kind === "event"
      ? [one.event.kind]
      : one.readings.map(({ name, value, quality }) =>
          [
            `${name}=${"v" in value && "mantissa" in value.v ? formatDecimal(value.v) : "?"}`,
            ...quality,
          ].join(" "),
        ),
  );

const sampler = (
  options: Partial<SamplerOptions> = {},
): { one: Sampler; clock: ReturnType<typeof testClock> } => {
  const clock = testClock();
  return { one: new Sampler({ everyS: 0, clock, ...options }), clock };
};

describe("every so often", () => {
  const taken = (everyS: number, arrivalsMs: readonly number[]): number[] => {
    const { one, clock } = sampler({ everyS });
    return arrivalsMs.filter((ms, index) => {
      clock.nowMs = 1000 + ms;
      return one.take(observed([reading("a", String(index), T0 + index)])).length > 0;
    });
  };
  const seconds = (count: number, stepS = 1): number[] =>
    Array.from({ length: count }, (_, n) => n * stepS * 1000);

  test("the first at once, then one a minute", () => {
    expect(taken(60, seconds(200))).toEqual([0, 60_000, 120_000, 180_000]);
  });
  test("0 takes each", () => {
    expect(taken(0, seconds(5))).toEqual(seconds(5));
  });
  test("no drift with telegrams every 7 s", () => {
    expect(taken(60, seconds(100, 7)).map((ms) => Math.floor(ms / 60_000))).toEqual([
      0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11,
    ]);
  });
  test("a telegram that comes a moment early is the one due", () => {
    expect(taken(10, [0, 9_990, 19_985, 30_010, 39_999])).toEqual([0, 9_990, 19_985, 30_010, 39_999]);
  });
  test("after a pause a new schedule, nothing is caught up", () => {
    expect(taken(60, [0, 1_000_000, 1_001_000, 1_059_000, 1_060_000])).toEqual([0, 1_000_000, 1_060_000]);
  });
  test("what is passed over is counted", () => {
    const { one } = sampler({ everyS: 60 });
    for (let n = 0; n < 10; n++) one.take(observed([reading("a", "1", T0 + n)]));
    expect(one.counters.passedOver).toBe(9);
  });
});

describe("nothing twice", () => {
  test("the same name, device time and value again is counted, not journalled", () => {
    const { one } = sampler();
    expect(brief(one.take(observed([reading("gas", "1.5", T0), reading("power", "2", T0 + 1)])))).toEqual([
      "gas=1.5",
      "power=2",
    ]);
    expect(brief(one.take(observed([reading("gas", "1.5", T0), reading("power", "2", T0 + 2)])))).toEqual([
      "power=2",
    ]);
    expect(one.take(observed([reading("gas", "1.5", T0)]))).toEqual([]);
    expect(one.counters.repeats).toBe(2);
    expect(brief(one.take(observed([reading("gas", "1.5", T0 + 3600)])))).toEqual(["gas=1.5"]);
  });

  test("one that comes late, after newer ones, is known for eight device times of its name, and no further", () => {
    const { one } = sampler();
    const take = (time: number): number => one.take(observed([reading("a", String(time), T0 + time)])).length;
    for (let time = 0; time < 9; time++) expect(take(time)).toBe(1);
    for (let time = 8; time > 0; time--) expect(take(time), `${time} again`).toBe(0);
    expect(one.counters.repeats).toBe(8);
    expect(take(0)).toBe(1); // forgotten; coverage counts its moment once all the same
    expect(brief(one.take(observed([reading("a", "99", T0 + 5)])))).toEqual(["a=99 conflict"]);
  });

  test("another value for the same time is a conflict, and its repeat is a repeat", () => {
    const { one } = sampler();
    const values = ["1.5", "1.6", "1.6", "1.5", "1.50", "1.7"];
    expect(values.map((value) => brief(one.take(observed([reading("gas", value, T0)]))))).toEqual([
      ["gas=1.5"],
      ["gas=1.6 conflict"],
      [],
      [],
      ["gas=1.50 conflict"], // the digits are evidence
      ["gas=1.7 conflict"],
    ]);
    expect(one.counters).toMatchObject({ repeats: 2, conflicts: 3 });
  });

  test("qualities keep their order", () => {
    const { one } = sampler();
    one.take(observed([reading("gas", "1", T0, ["no-checksum", "future"])]));
    expect(brief(one.take(observed([reading("gas", "2", T0, ["no-checksum", "future"])])))).toEqual([
      "gas=2 no-checksum conflict future",
    ]);
  });

  test("the gateway's own time makes each arrival a reading", () => {
    const { one } = sampler();
    for (let n = 0; n < 3; n++) {
      expect(
        one.take(observed([reading("a", "1", T0, ["gateway-time"]), reading("b", "1", null)])),
      ).toHaveLength(1);
    }
    expect(one.counters.repeats).toBe(0);
  });

  test("a device time without zone tells repeats all the same", () => {
    const { one } = sampler();
    const gas = (stamp: string, atS: number): Observation => ({
      ...observed([reading("gas", "1.5", atS, ["no-zone", "gateway-time"])]),
      stamps: new Map([["gas", stamp]]),
    });
    expect(one.take(gas("161107190000", T0))).toHaveLength(1);
    expect(one.take(gas("161107190000", T0 + 10))).toHaveLength(0);
    expect(one.take(gas("161107200000", T0 + 3600))).toHaveLength(1);
  });

  test("a meter that invents names and values without end is held in bounds", () => {
    const { one } = sampler();
    for (let n = 0; n < 5000; n++)
      one.take(observed([reading(`name-${n}`, "1", T0), reading("stuck", String(n), T0)]));
    expect(one.counters).toMatchObject({ repeats: 0, conflicts: 4999 });
    expect(brief(one.take(observed([reading("name-4999", "1", T0)])))).toEqual([]);
    expect(brief(one.take(observed([reading("name-0", "1", T0)])))).toEqual(["name-0=1"]); // long forgotten
  });

  /** A reading whose value is a text. */
  const said = (name: string, vs: string, time = T0): Observation =>
    observed([{ name, value: { vs }, time: decimal(time), quality: [] }]);

  test("texts of any length are told apart, and known again", () => {
    const { one } = sampler();
    const long = "x".repeat(5000);
    const texts = [
      "x".repeat(40),
      "x".repeat(41),
      `${long}1`,
      `${long}2`,
      `${"y".repeat(50)}\ud800`,
      `${"y".repeat(50)}\ud801`,
    ];
    for (const text of texts) expect(one.take(said(text, text)), text).toHaveLength(1);
    for (const text of texts) expect(one.take(said("n", text)), text).toHaveLength(1);
    expect(one.counters).toMatchObject({ repeats: 0, conflicts: texts.length - 1 });
    for (const text of texts) {
      expect(one.take(said(text, text))).toEqual([]);
      expect(one.take(said("n", text))).toEqual([]);
    }
  });

  test("of a stream as a whole no more than so many values are remembered: the names seen longest ago give way", () => {
    const { one } = sampler();
    for (let n = 0; n < 300; n++)
      for (let time = 0; time < 8; time++)
        for (let value = 0; value < 8; value++) one.take(said(`n${n}`, String(value), T0 + time));
    expect(one.counters.repeats).toBe(0);
    expect(one.take(said("n299", "0"))).toEqual([]);
    expect(one.take(said("n172", "0"))).toEqual([]); // 8,192 values are 128 such names
    expect(one.take(said("n171", "0"))).toHaveLength(1);
  });

  test("what is remembered keeps no telegram in memory", () => {
    setFlagsFromString("--expose-gc");
    const collect = runInNewContext("gc") as () => void;
    const heap = (): number => {
      collect();
      return process.memoryUsage().heapUsed;
    };
    const { one } = sampler();
    const before = heap();
    for (let n = 0; n < 2000; n++) {
      const frame = `${n}`.padEnd(20, "v") + "x".repeat(20_000);
      one.take(said(`name-${n % 250}`, frame.slice(0, 20), T0 + (n % 8)));
      one.take(said(`long-${n % 250}`, frame, T0 + (n % 8)));
    }
    expect(heap() - before).toBeLessThan(10e6);
    expect(one.take(said("name-249", "1999".padEnd(20, "v"), T0 + 7))).toEqual([]);
  });

  test("no reading is lost: each was journalled, or one equal to it was", () => {
    const item = fc.tuple(fc.constantFrom("a", "b"), fc.nat(2), fc.nat(12));
    fc.assert(
      fc.property(fc.array(item, { maxLength: 40 }), (items) => {
        const { one } = sampler();
        /** Of each name the device times taken last, oldest first. */
        const latest = new Map<string, { time: number; values: Set<number> }[]>();
        for (const [name, value, time] of items) {
          const times = latest.get(name) ?? [];
          const known = times.find((taken) => taken.time === time)?.values ?? new Set<number>();
          const expected = known.has(value) ? [] : [`${name}=${value}${known.size > 0 ? " conflict" : ""}`];
          if (known.size === 0) latest.set(name, [...times, { time, values: known }].slice(-8));
          known.add(value);
          expect(brief(one.take(observed([reading(name, String(value), T0 + time)])))).toEqual(expected);
        }
      }),
    );
  });
});

describe("the meter is pinned", () => {
  test("the first one seen, without an event", () => {
    const { one } = sampler();
    expect(one.meter).toBeUndefined();
    const [first] = one.take(observed([reading("a", "1", T0)], "M1"));
    expect(first).toMatchObject({ kind: "readings", meter: "M1" });
    expect(one.meter).toBe("M1");
  });

  test("another than the one from an earlier run is an event, and the stream goes on with it", () => {
    const { one } = sampler({ meter: "M0", everyS: 60 });
    const [event, readings] = one.take(observed([reading("a", "7.125", T0)], "M1"));
    expect(event).toEqual({
      kind: "event",
      event: {
        kind: "meter-changed",
        old: "M0",
        new: "M1",
        first: [{ name: "a", value: decimal(7125, -3) }],
      },
    });
    expect(readings).toMatchObject({ kind: "readings", meter: "M1" });
    expect(one.meter).toBe("M1");
  });

  test("a swap between two samples gives the last registers of the old and the first of the new, at once", () => {
    const { one, clock } = sampler({ everyS: 60 });
    one.take(observed([reading("a", "900.1", T0)], "M1"));
    clock.nowMs += 1000;
    expect(one.take(observed([reading("a", "900.2", T0 + 1)], "M1"))).toEqual([]);
    clock.nowMs += 1000;
    const sampled = one.take(observed([reading("a", "0.3", T0 + 2)], "M2"));
    expect(sampled[0]).toMatchObject({
      event: {
        last: [{ name: "a", value: decimal(9002, -1) }],
        first: [{ name: "a", value: decimal(3, -1) }],
      },
    });
    expect(brief(sampled)).toEqual(["meter-changed", "a=0.3"]);
    const event = sampled[0]?.kind === "event" ? sampled[0].event : undefined;
    if (event !== undefined) expect(decodeEvent(encodeEvent(event))).toEqual(event);
  });

  test("the new meter may say what the old one said", () => {
    const { one } = sampler();
    one.take(observed([reading("a", "1", T0)], "M1"));
    expect(brief(one.take(observed([reading("a", "1", T0)], "M2")))).toEqual(["meter-changed", "a=1"]);
  });

  test("without checksum another meter is believed when the next telegram agrees", () => {
    const { one } = sampler({ meter: "M1" });
    const unchecked = (value: string, meter: string): string[] =>
      brief(one.take(observed([reading("a", value, T0 + Number(value), ["no-checksum"])], meter)));
    expect(unchecked("1", "M1")).toEqual(["a=1 no-checksum"]);
    expect(unchecked("2", "M7")).toEqual([]); // one spoiled digit looks the same
    expect(unchecked("3", "M1")).toEqual(["a=3 no-checksum"]);
    expect(unchecked("4", "M2")).toEqual([]);
    expect(unchecked("5", "M2")).toEqual(["meter-changed", "a=5 no-checksum"]);
    expect(one.counters.unconfirmedMeters).toBe(2);
    expect(one.meter).toBe("M2");
  });

  test("an observation without meter changes nothing", () => {
    const { one } = sampler({ meter: "M1" });
    expect(brief(one.take(observed([reading("a", "1", T0)])))).toEqual(["a=1"]);
    expect(one.meter).toBe("M1");
  });
});

describe("from telegrams to packs", () => {
  const clock = { now: () => ({ timeUnixMs: T0 * 1000 + 500, tq: 2 as const }), monotonicMs: () => 0 };
  async function* live(count: number, keepRaw = false): AsyncGenerator<Observation, void, undefined> {
    const framer = new P1Framer();
    let state = startState(T0);
    for (let second = 0; second < count; second++) {
      for (const result of framer.push(telegram(state, T0 + second))) {
        if ("frame" in result)
          yield observe(readTelegram(result.frame), clock, keepRaw ? result.frame.raw : undefined);
      }
      state = advance(state, T0 + second, T0 + second + 1);
    }
  }

  test("what is sampled makes a pack, and comes out of it again", async () => {
    const { one } = sampler();
    const gas: number[] = [];
    let count = 0;
    for await (const [sampled] of sample(live(20, true), one)) {
      if (sampled?.kind !== "readings") throw new Error("no event is due");
      const pack = encodePack("org/device/meter/", sampled.readings);
      expect(decodePack(pack, "org/device/meter/")).toEqual(sampled.readings);
      gas.push(sampled.readings.filter(({ name }) => name === "0-1:24.2.1").length);
      expect(sampled.readings.at(-1)).toMatchObject({ name: "raw", quality: [] });
      count += 1;
    }
    expect(count).toBe(20);
    expect(gas).toEqual([1, ...Array.from({ length: 19 }, () => 0)]); // hourly: journalled once
    expect(one.counters).toMatchObject({ repeats: 19, conflicts: 0 });
  });
});
