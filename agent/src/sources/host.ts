/**
 * This machine as a source: load, memory, disk, uptime, and temperature where there is a sensor.
 * Numbers are taken from the text that the kernel prints, digit by digit; what a machine does not have is left out.
 *
 * @module
 */
import { readdir, readFile, statfs } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { Decimal, decimal, isEvidenceError, parseDecimal, type Reading } from "@tallystick/evidence";
import {
  newSourceCounters,
  type Observation,
  type Register,
  type Source,
  type SourceContext,
} from "./source.ts";
import type { HostOptions } from "./open.ts";

/** More thermal zones than any gateway has. */
const MAX_ZONES = 16;

type Measured = { readonly name: string; readonly unit: string | null; readonly value: Decimal };

/** Where the kernel shows itself; tests give folders of their own. */
export type HostPlaces = { readonly proc: string; readonly thermal: string };

const PLACES: HostPlaces = { proc: "/proc", thermal: "/sys/class/thermal" };

export function hostSource(
  { intervalS, diskPath }: HostOptions,
  { clock }: SourceContext,
  places: HostPlaces = PLACES,
): Source {
  const counters = newSourceCounters();
  return {
    kind: "host",
    intervalS,
    counters,
    async *observations(signal) {
      let dueMs = clock.monotonicMs();
      while (!signal.aborted) {
        const measured = await measure(places, diskPath);
        counters.framesGood += 1;
        yield observation(measured, clock.now());
        // Keeps the pace after a slow reader, without catching up on what was missed.
        dueMs = Math.max(dueMs + intervalS * 1000, clock.monotonicMs());
        await delay(dueMs - clock.monotonicMs(), undefined, { signal }).catch(() => undefined);
      }
    },
  };
}

function observation(
  measured: readonly Measured[],
  { timeUnixMs, tq }: { timeUnixMs: number; tq: number },
): Observation {
  const time = tq === 0 ? null : decimal(timeUnixMs, -3);
  return {
    readings: measured.map(({ name, unit, value }): Reading => ({
      name,
      ...(unit === null ? {} : { unit }),
      value: { v: value },
      time,
      quality: [],
    })),
    registers: measured.map(({ name, unit }): Register => ({ name, unit, type: "gauge", digits: null })),
    receivedUnixMs: timeUnixMs,
  };
}

const measure = async (places: HostPlaces, diskPath: string): Promise<readonly Measured[]> =>
  (
    await Promise.all([load(places), memory(places), disk(diskPath), uptime(places), temperatures(places)])
  ).flat();

async function load({ proc }: HostPlaces): Promise<readonly Measured[]> {
  const [one = "", five = "", fifteen = ""] = (await textOf(join(proc, "loadavg"))).split(" ");
  return [
    ...number("load/1", null, one),
    ...number("load/5", null, five),
    ...number("load/15", null, fifteen),
  ];
}

async function memory({ proc }: HostPlaces): Promise<readonly Measured[]> {
  const text = await textOf(join(proc, "meminfo"));
  const bytes = (name: string, key: string): readonly Measured[] => {
    const kibibytes = new RegExp(`^${key}: +([0-9]{1,18}) kB$`, "m").exec(text)?.[1];
    return kibibytes === undefined ? [] : [{ name, unit: "B", value: decimal(BigInt(kibibytes) * 1024n) }];
  };
  return [...bytes("memory/total", "MemTotal"), ...bytes("memory/available", "MemAvailable")];
}

async function disk(path: string): Promise<readonly Measured[]> {
  try {
    const { bsize, blocks, bavail } = await statfs(path, { bigint: true });
    return [
      { name: "disk/total", unit: "B", value: decimal(blocks * bsize) },
      { name: "disk/available", unit: "B", value: decimal(bavail * bsize) },
    ];
  } catch {
    return []; // a disk that can't be asked has no reading; the journal will say what is wrong with it
  }
}

const uptime = async ({ proc }: HostPlaces): Promise<readonly Measured[]> =>
  number("uptime", "s", (await textOf(join(proc, "uptime"))).split(" ")[0] ?? "");

async function temperatures({ thermal }: HostPlaces): Promise<readonly Measured[]> {
  const entries = await readdir(thermal).catch(() => []);
  const zones = entries.flatMap((entry) => /^thermal_zone(\d{1,3})$/.exec(entry)?.[1] ?? []);
  const measured = await Promise.all(
    zones.slice(0, MAX_ZONES).map(async (zone) => {
      const text = await textOf(join(thermal, `thermal_zone${zone}`, "temp"));
      return number(`temperature/${zone}`, "Cel", text.trim(), -3); // the kernel prints millidegrees
    }),
  );
  return measured.flat();
}

const textOf = (path: string): Promise<string> => readFile(path, "utf8").catch(() => "");

function number(name: string, unit: string | null, text: string, exponent = 0): readonly Measured[] {
  try {
    const printed = parseDecimal(text);
    return [{ name, unit, value: new Decimal(printed.mantissa, printed.exponent + exponent) }];
  } catch (error) {
    if (isEvidenceError(error)) return [];
    throw error;
  }
}
