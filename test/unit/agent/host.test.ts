import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { decodePack, encodePack, formatDecimal, unitKind } from "@tallystick/evidence";
import { hostSource } from "../../../agent/src/sources/host.ts";
import { openSource } from "../../../agent/src/sources/open.ts";
import type { Observation, Source, SourceContext } from "../../../agent/src/sources/source.ts";

const context = (tq: 0 | 1 | 2 | 3 = 2): SourceContext => ({
  clock: { now: () => ({ timeUnixMs: 1_750_000_000_250, tq }), monotonicMs: () => performance.now() },
  log: { info: () => undefined, warn: () => undefined },
});

async function first(source: Source): Promise<Observation> {
  for await (const observation of source.observations(new AbortController().signal)) return observation;
  throw new Error("no observation");
}

const values = ({ readings }: Observation): Record<string, string> =>
  Object.fromEntries(
    readings.map(({ name, unit, value }) => [
      name,
      `${"v" in value && "mantissa" in value.v ? formatDecimal(value.v) : "?"} ${unit ?? ""}`.trimEnd(),
    ]),
  );

let folder = "";
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "tallystick-host-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe("a machine of files", () => {
  const places = () => ({ proc: join(folder, "proc"), thermal: join(folder, "thermal") });
  const put = async (path: string, text: string): Promise<void> => {
    await mkdir(join(folder, path, ".."), { recursive: true });
    await writeFile(join(folder, path), text);
  };

  test("digits are the kernel's own", async () => {
    await put("proc/loadavg", "0.50 1.07 12.00 2/345 6789\n");
    await put("proc/meminfo", "MemTotal:        4045960 kB\nMemFree: 1 kB\nMemAvailable:     123 kB\n");
    await put("proc/uptime", "12345678.90 4.20\n");
    await put("thermal/thermal_zone0/temp", "47312\n");
    await put("thermal/thermal_zone1/temp", "-500\n");
    await put("thermal/cooling_device0/temp", "1\n");
    const options = { kind: "host", intervalS: 60, diskPath: join(folder, "absent") } as const;
    const seen = await first(hostSource(options, context(), places()));
    expect(values(seen)).toEqual({
      "load/1": "0.50",
      "load/5": "1.07",
      "load/15": "12.00",
      "memory/total": "4143063040 B",
      "memory/available": "125952 B",
      uptime: "12345678.90 s",
      "temperature/0": "47.312 Cel",
      "temperature/1": "-0.500 Cel",
    });
    expect(seen.registers).toContainEqual({ name: "uptime", unit: "s", type: "gauge", digits: null });
    for (const { time } of seen.readings) expect(time && formatDecimal(time)).toBe("1750000000.250");
  });

  test("what a machine doesn't have, or says in other words, is left out", async () => {
    await put("proc/loadavg", "much\n");
    await put("proc/meminfo", "MemTotal: lots\n");
    await put("thermal/thermal_zone0/temp", "");
    const options = { kind: "host", intervalS: 60, diskPath: folder } as const;
    const seen = await first(hostSource(options, context(), places()));
    expect(Object.keys(values(seen))).toEqual(["disk/total", "disk/available"]);
  });

  test("a gateway that doesn't know the time writes none down", async () => {
    const options = { kind: "host", intervalS: 60, diskPath: folder } as const;
    const seen = await first(hostSource(options, context(0), places()));
    for (const { time } of seen.readings) expect(time).toBeNull();
  });
});

describe("this machine", () => {
  test("its readings make a pack", async () => {
    const source = await openSource({ kind: "host", intervalS: 1, diskPath: tmpdir() }, context());
    const seen = await first(source);
    expect(decodePack(encodePack("org/device/host/", seen.readings), "org/device/host/")).toEqual(
      seen.readings,
    );
    for (const { unit } of seen.readings) if (unit !== undefined) expect(unitKind(unit)).toBeDefined();
    expect(values(seen)).toHaveProperty("disk/total");
  });

  test("it is read again after each interval, and ends at once when told to", async () => {
    const stop = new AbortController();
    const source = await openSource({ kind: "host", intervalS: 0.01, diskPath: tmpdir() }, context());
    let count = 0;
    for await (const observation of source.observations(stop.signal)) {
      expect(observation.readings.length).toBeGreaterThan(0);
      count += 1;
      if (count === 3) stop.abort();
    }
    expect(count).toBe(3);
    expect(source.counters.framesGood).toBe(3);
  });
});
