/**
 * Statements that don't arrive, or not as they were sent.
 *
 * @module
 */
import { HOUR_S, QUARTER_S } from "../calendar.ts";
import type { Delivery, Meter } from "../meter.ts";
import type { Plant } from "../planted.ts";

const within = (unixS: number, fromUnixS: number, hours: number): boolean =>
  unixS >= fromUnixS && unixS < fromUnixS + hours * HOUR_S;

const inTime = (dueUnixS: number): Delivery => ({ dueUnixS, rank: 0 });

/** Signed, and then gone: nobody says why. */
export function hole(meter: Meter, hourUnixS: number, hours = 3): Plant {
  meter.twists.push({
    delivery: (unixS) => (within(unixS, hourUnixS, hours) ? null : inTime(unixS)),
  });
  return () => ({
    fault: "statements missing",
    findings: [{ class: "missing", where: meter.name, count: hours }],
  });
}

/** Everything from that hour on is withheld; the device's heads name it all the same. */
export function tail(meter: Meter, hourUnixS: number): Plant {
  let withheld = 0;
  meter.twists.push({
    delivery: (unixS) => {
      if (unixS < hourUnixS) return inTime(unixS);
      withheld++;
      return null;
    },
  });
  return () => ({
    fault: "tail withheld",
    findings: [{ class: "missing", where: meter.name, count: withheld }],
  });
}

/** They arrive some hours later, the last one first. */
export function reordered(meter: Meter, hourUnixS: number, hours = 6): Plant {
  const dueUnixS = hourUnixS + hours * HOUR_S;
  meter.twists.push({
    delivery: (unixS) => (within(unixS, hourUnixS, hours) ? { dueUnixS, rank: -unixS } : inTime(unixS)),
  });
  return () => ({
    fault: "arrived late, in reverse order",
    findings: [
      { class: "reordered", where: meter.name, count: hours - 1 },
      // The last hour arrives in time.
      { class: "late", where: meter.name, count: ((hours - 1) * HOUR_S) / QUARTER_S },
    ],
  });
}
