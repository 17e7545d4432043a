/**
 * Meters that are taken down for others, and a chain that somebody else goes on with.
 *
 * @module
 */
import { decimal, SYSTEM_STREAM } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { readingOf, REGISTER, SEALED_AFTER_S, type Meter } from "../meter.ts";
import type { Gateway } from "../gateway.ts";
import type { Plant } from "../planted.ts";

/** What a new meter begins with. */
const NEW_WH = 12_000;

/**
 * Another meter on the same stream, with both ends' values.
 *
 * @param understatedWh - by which the old meter's last value is below what it had shown: then the ends don't meet
 */
export function swapped(meter: Meter, hourUnixS: number, understatedWh = 0): Plant {
  meter.twists.push({
    afterwards: async (unixS) => {
      if (unixS !== hourUnixS) return;
      const [old, next] = [meter.serial, `${meter.serial}-b`];
      const event = {
        kind: "meter-changed",
        old,
        new: next,
        last: [{ name: REGISTER, value: decimal(meter.registerWh - understatedWh, -3) }],
        first: [{ name: REGISTER, value: decimal(NEW_WH, -3) }],
      } as const;
      meter.send(await meter.device.tell(meter.sub, event, unixS + SEALED_AFTER_S), unixS);
      if (understatedWh > 0) meter.lost.push({ atUnixS: unixS, wh: understatedWh });
      meter.serial = next;
      meter.registerWh = NEW_WH;
    },
  });
  const kind = understatedWh === 0 ? "meter-changed" : "meter-change-inconsistent";
  const fault = understatedWh === 0 ? "meter swapped" : "meter swapped, end value below what it had shown";
  return () => ({ fault, findings: [{ class: kind, where: meter.name, count: 1 }] });
}

/** An account's meter is another one, on another stream, from then on. */
export type Move = { readonly from: Meter; readonly to: Meter; readonly atUnixS: number };

/** The account moves to another meter on another stream: this one is closed, that one opened. */
export function moved({ from, to, atUnixS }: Move): Plant {
  to.running = false;
  from.twists.push({
    afterwards: async (unixS) => {
      if (unixS !== atUnixS) return;
      from.send(await from.device.close(from.sub, "meter taken down", unixS + SEALED_AFTER_S), unixS);
      from.running = false;
    },
  });
  to.twists.push({
    installed: async (unixS) => {
      if (unixS !== atUnixS) return;
      to.registerWh = NEW_WH;
      to.running = true;
      await to.open(unixS);
      to.shownWh.set(unixS, NEW_WH);
      await to.report(unixS, [readingOf(unixS, NEW_WH)]);
    },
  });
  return () => ({ fault: "meter swapped for one on another stream", findings: [] });
}

/** Somebody else with the same key: the device's own word names another statement at that number. */
export function forked(gateway: Gateway, meter: Meter, hourUnixS: number): Plant {
  gateway.twists.push({
    afterwards: async (unixS) => {
      const head = meter.device.head(meter.sub);
      if (unixS !== hourUnixS || head === undefined) return;
      const hash = nodeSha256(Buffer.from(`another ${meter.name}`));
      const event = { kind: "heads", all: false, heads: [{ ...head, hash }] } as const;
      gateway.send(await meter.device.tell(SYSTEM_STREAM, event, unixS + SEALED_AFTER_S), unixS);
      for (const time of meter.newest?.times ?? []) meter.spoiled.add(time);
    },
  });
  return () => ({
    fault: "chain forked",
    findings: [{ class: "fork", where: meter.name, count: 1 }],
  });
}

/** An hour's statement that somebody will order to be erased. Nothing happens here: the anchor erases it when the city is made. */
export function erased(meter: Meter, hourUnixS: number, orders: Order[]): Plant {
  meter.twists.push({
    afterwards: (unixS) => {
      const { newest } = meter;
      if (unixS === hourUnixS && newest !== undefined) {
        orders.push({ hash: newest.hash, order: "case 7/2026, data protection office" });
        for (const time of newest.times) meter.spoiled.add(time);
      }
      return Promise.resolve();
    },
  });
  return () => ({
    fault: "erased by order",
    findings: [{ class: "erased", where: meter.name, count: 1 }],
  });
}

/** Which statement is to be erased, and by whose order. */
export type Order = { readonly hash: Uint8Array; readonly order: string };
