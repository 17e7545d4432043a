/** After a restart: what a meter says again is known, what is new is taken, and how far back that goes. */
import { describe, expect, test } from "vitest";
import { decimal, decodePack, formatDecimal, type Reading } from "@tallystick/evidence";
import type { Observation } from "../../../agent/src/sources/source.ts";
import { COUNTER, ISS, NOW, Rig, STREAM } from "../../support/agent-rig.ts";

const GAS = { ...COUNTER, name: "0-1:24.2.1", unit: "m3" };
const HOUR_S = NOW / 1000;

const reading = (name: string, value: number, timeUnixS: number): Reading => ({
  name,
  unit: name === GAS.name ? "m3" : "kWh",
  value: { v: decimal(value, -3) },
  time: decimal(timeUnixS),
  quality: [],
});

/** A telegram: a register read now, and a sub-meter's that was read at the hour. */
const telegram = (second: number, gas = 5000, hour = HOUR_S, meter = "M1"): Observation => ({
  readings: [reading(COUNTER.name, 1_581_123 + second, HOUR_S + second), reading(GAS.name, gas, hour)],
  registers: [COUNTER, GAS],
  receivedUnixMs: NOW + second * 1000,
  meter,
});

/** Every reading that was sealed, as `name value@seconds quality`. */
const sealed = (rig: Rig): readonly string[] =>
  rig.sealed(STREAM).flatMap(({ content }) =>
    content.type !== "senml"
      ? []
      : decodePack(content.payload, `${ISS}/${STREAM}/`).map(({ name, value, time, quality }) => {
          const digits = "v" in value && "mantissa" in value.v ? formatDecimal(value.v) : "?";
          return [`${name} ${digits}@${Number(time && formatDecimal(time)) - HOUR_S}`, ...quality].join(" ");
        }),
  );

const each = `streams: [{ name: ${STREAM}, source: { kind: host }, every: 0, seal: { maxWaitMs: 1000 } }]`;

describe("a reading that was told before the restart", () => {
  test.for(["stop", "crash"] as const)("is not told again after a %s", async (how) => {
    const rig = new Rig(each);
    await rig.start();
    rig.source.push(telegram(1));
    await rig.time.advance(2000);
    for (let second = 2; second < 40; second++) {
      rig.source.push(telegram(second));
      await rig.time.advance(2000);
    }
    if (how === "stop") await rig.stop();
    else rig.crash();
    await rig.start();
    rig.source.push(telegram(39));
    rig.source.push(telegram(40));
    rig.source.push(telegram(41, 5020, HOUR_S + 3600));
    await rig.time.advance(2000);
    const told = sealed(rig);
    expect(told.filter((one) => one.startsWith(GAS.name))).toEqual([
      `${GAS.name} 5.000@0`,
      `${GAS.name} 5.020@3600`,
    ]);
    expect(new Set(told).size).toBe(told.length);
    expect(told).toHaveLength(41 + 2);
  });

  test("is known however many statements ago it was told, over several restarts", async () => {
    const rig = new Rig(each);
    await rig.start();
    for (let second = 1; second <= 300; second++) {
      rig.source.push(telegram(second));
      await rig.time.advance(1100);
      if (second % 100 !== 0) continue;
      rig.crash();
      await rig.start();
    }
    rig.source.push(telegram(301));
    rig.source.push(telegram(302, 5020, HOUR_S + 3600));
    await rig.time.advance(2000);
    expect(sealed(rig).filter((one) => one.startsWith(GAS.name))).toEqual([
      `${GAS.name} 5.000@0`,
      `${GAS.name} 5.020@3600`,
    ]);
  });

  test("is known where it was only journalled", async () => {
    const rig = new Rig(`streams: [{ name: ${STREAM}, source: { kind: host }, every: 0, maxLossMs: 0 }]`);
    await rig.start();
    rig.source.push(telegram(1));
    await rig.time.advance(100);
    rig.crash();
    await rig.start();
    rig.source.push(telegram(1));
    rig.source.push(telegram(2));
    await rig.time.advance(61_000);
    expect(sealed(rig)).toEqual([
      `${COUNTER.name} 1581.124@1`,
      `${GAS.name} 5.000@0`,
      `${COUNTER.name} 1581.125@2`,
    ]);
  });

  test("with another value is a conflict", async () => {
    const rig = new Rig(each);
    await rig.start();
    rig.source.push(telegram(1));
    await rig.time.advance(2000);
    await rig.stop();
    await rig.start();
    rig.source.push(telegram(2, 5001));
    await rig.time.advance(2000);
    expect(sealed(rig).at(-1)).toBe(`${GAS.name} 5.001@0 conflict`);
  });

  test("by another meter is told", async () => {
    const rig = new Rig(each);
    await rig.start();
    rig.source.push(telegram(1));
    rig.source.push(telegram(2, 5000, HOUR_S, "M2"));
    await rig.time.advance(2000);
    await rig.stop();
    await rig.start();
    rig.source.push(telegram(3, 5000, HOUR_S, "M3"));
    rig.source.push(telegram(4, 5000, HOUR_S, "M3"));
    await rig.time.advance(2000);
    expect(sealed(rig).filter((one) => one.startsWith(GAS.name))).toHaveLength(3);
  });
});
