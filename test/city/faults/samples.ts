/**
 * Readings that aren't sealed, or not as they were read.
 *
 * @module
 */
import { decimal, type Reading } from "@tallystick/evidence";
import { HOUR_S, QUARTER_S } from "../calendar.ts";
import { readingOf, SEALED_AFTER_S, type Meter } from "../meter.ts";
import type { Plant } from "../planted.ts";

const LOST_WH = 3000;
const QUARTERS = HOUR_S / QUARTER_S;

const within = (unixS: number, fromUnixS: number, hours: number): boolean =>
  unixS >= fromUnixS && unixS < fromUnixS + hours * HOUR_S;

/** The readings of these hours are never sealed, and nobody says so. */
export function quiet(meter: Meter, hourUnixS: number, hours = 3): Plant {
  meter.twists.push({ readings: (unixS, read) => (within(unixS, hourUnixS, hours) ? null : read) });
  return () => ({
    fault: "meter silent, gateway not",
    findings: [{ class: "no-sample", where: meter.name, count: hours * QUARTERS }],
  });
}

/** The outbox was full: readings never sealed. The gateway signs how many. */
export function unsealed(meter: Meter, hourUnixS: number, hours = 2): Plant {
  const endUnixS = hourUnixS + hours * HOUR_S;
  meter.twists.push({
    readings: (unixS, read) => (within(unixS, hourUnixS, hours) ? null : read),
    afterwards: async (unixS) => {
      if (unixS !== endUnixS - HOUR_S) return;
      const time = { from: decimal(hourUnixS - HOUR_S), to: decimal(unixS) };
      const gap = { kind: "gap", reason: "outbox full", count: hours * QUARTERS, time } as const;
      meter.send(await meter.device.tell(meter.sub, gap, unixS + SEALED_AFTER_S), unixS);
    },
  });
  return () => ({
    fault: "signed gap: readings never sealed",
    findings: [{ class: "gap", where: meter.name, count: hours * QUARTERS }],
  });
}

/** The outbox was full: statements let go after they were sealed. The gateway signs which. */
export function letGo(meter: Meter, hourUnixS: number, hours = 2): Plant {
  const dropped: number[] = [];
  meter.twists.push({
    delivery: (unixS, { claims: { seq }, event }) => {
      if (event !== undefined || !within(unixS, hourUnixS, hours)) return { dueUnixS: unixS, rank: 0 };
      dropped.push(seq);
      return null;
    },
    afterwards: async (unixS) => {
      const [first, last] = [dropped[0], dropped.at(-1)];
      if (unixS !== hourUnixS + (hours - 1) * HOUR_S || first === undefined || last === undefined) return;
      const gap = {
        kind: "gap",
        reason: "outbox full",
        count: dropped.length,
        seq: { first, last },
      } as const;
      meter.send(await meter.device.tell(meter.sub, gap, unixS + SEALED_AFTER_S), unixS);
    },
  });
  return () => ({
    fault: "signed gap: statements let go",
    findings: [{ class: "gap", where: meter.name, count: hours }],
  });
}

/** The meter's memory is read later: the hours come behind newer ones, and say so. */
export function backfill(meter: Meter, hourUnixS: number, hours = 3): Plant {
  const kept: Reading[] = [];
  meter.twists.push({
    readings: (unixS, read) => {
      if (!within(unixS, hourUnixS, hours)) return read;
      kept.push(...read.map((reading) => ({ ...reading, quality: ["backfill"] as const })));
      return null;
    },
    afterwards: async (unixS) => {
      if (unixS !== hourUnixS + (hours + 2) * HOUR_S) return;
      const received = decimal(unixS);
      await meter.report(
        unixS,
        kept.map((reading) => ({ ...reading, received })),
      );
    },
  });
  return () => ({
    fault: "late backfill",
    findings: [{ class: "late", where: meter.name, count: hours * QUARTERS }],
  });
}

/** An hour is sealed again with the next one: the same names, times and values. */
export function repeated(meter: Meter, hourUnixS: number): Plant {
  let before: readonly Reading[] = [];
  meter.twists.push({
    readings: (unixS, read) => {
      const again = unixS === hourUnixS ? before : [];
      before = read;
      return [...again, ...read];
    },
  });
  return () => ({
    fault: "readings twice",
    findings: Array.from({ length: QUARTERS }, () => ({ class: "repeat", where: meter.name, count: 1 })),
  });
}

/** Another value for a time that was told already, as the gateway marks it. */
export function conflicting(meter: Meter, hourUnixS: number): Plant {
  meter.twists.push({
    readings: (unixS, read) => {
      if (unixS !== hourUnixS) return read;
      const timeUnixS = unixS - HOUR_S;
      return [readingOf(timeUnixS, (meter.shownWh.get(timeUnixS) ?? 0) + 41, ["conflict"]), ...read];
    },
  });
  return () => ({
    fault: "two values for one time",
    findings: [{ class: "conflict", where: meter.name, count: 1 }],
  });
}

/** The register's whole range is behind it after some hours. */
export function rollover(meter: Meter, turnWh: number): Plant {
  meter.registerWh = turnWh - 6000;
  return () => ({
    fault: "register rolls over at its width",
    findings: [{ class: "rollover", where: meter.name, count: 1 }],
  });
}

/** The register loses three kWh. */
export function backwards(meter: Meter, hourUnixS: number): Plant {
  meter.twists.push({
    afterwards: (unixS) => {
      if (unixS === hourUnixS) {
        meter.registerWh -= LOST_WH;
        meter.lost.push({ atUnixS: unixS, wh: LOST_WH });
      }
      return Promise.resolve();
    },
  });
  return () => ({
    fault: "register runs backwards",
    findings: [{ class: "backwards", where: meter.name, count: 1 }],
  });
}
