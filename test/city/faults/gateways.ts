/**
 * What happens to a gateway as a whole.
 *
 * @module
 */
import { decimal, SYSTEM_STREAM, type Signer, type TimeQuality } from "@tallystick/evidence";
import { HOUR_S, QUARTER_S } from "../calendar.ts";
import { VERSION } from "../device.ts";
import { SILENCE_S, type Gateway } from "../gateway.ts";
import type { Ledger } from "../ledger.ts";
import { SEALED_AFTER_S } from "../meter.ts";
import type { Plant } from "../planted.ts";

const LATER = "0.2.0";
/** A gateway without a synchronised clock goes wrong by so much. */
const WRONG_S = 47;

/** The clock is not synchronised for some hours, and then set. */
export function wrongClock(gateway: Gateway, hourUnixS: number, hours = 6): Plant {
  const { device } = gateway;
  const setUnixS = hourUnixS + hours * HOUR_S;
  const set = (tq: TimeQuality): void => void (device.tq = tq);
  gateway.twists.push({
    before: async (unixS) => {
      if (unixS === hourUnixS) set(1);
      if (unixS !== setUnixS) return;
      set(2);
      const [before, after] = [decimal(unixS - WRONG_S), decimal(unixS)];
      await gateway.tell({ kind: "clock-step", before, after, uptime: decimal(86_400), tq: 2 }, unixS);
    },
  });
  return () => ({
    fault: "wrong clock",
    findings: [
      { class: "clock-step", where: systemOf(gateway), count: 1 },
      ...gateway.meters.map(
        ({ name }) => ({ class: "clock-unsynchronised", where: name, count: hours }) as const,
      ),
    ],
  });
}

/** Without power for longer than its enrolment allows; it says so when it is back. */
export function poweredOff(gateway: Gateway, hourUnixS: number, hours = SILENCE_S / HOUR_S + 2): Plant {
  const { device } = gateway;
  const backUnixS = hourUnixS + hours * HOUR_S;
  gateway.twists.push({
    off: (unixS) => unixS >= hourUnixS && unixS < backUnixS,
    before: async (unixS) => {
      if (unixS !== backUnixS) return;
      gateway.send(await device.boot(VERSION, unixS - HOUR_S + 60, hourUnixS - HOUR_S), unixS);
      for (const meter of gateway.meters) {
        const time = { from: decimal(hourUnixS - HOUR_S), to: decimal(unixS - HOUR_S) };
        const count = (hours * HOUR_S) / QUARTER_S;
        const gap = { kind: "gap", reason: "power cut", count, time } as const;
        meter.send(await device.tell(meter.sub, gap, unixS - HOUR_S + 60), unixS);
      }
    },
  });
  return () => ({
    fault: "silent beyond the enrolled limit",
    findings: [
      // From the last commit before to the first one after, in seconds.
      { class: "silence", where: systemOf(gateway), count: (hours + 1) * HOUR_S },
      { class: "restart", where: systemOf(gateway), count: 1 },
      ...gateway.meters.map(({ name }) => ({
        class: "gap",
        where: name,
        count: (hours * HOUR_S) / QUARTER_S,
      })),
    ],
  });
}

/** An update, with the restart that it takes. */
export function updated(gateway: Gateway, hourUnixS: number): Plant {
  const { device } = gateway;
  gateway.twists.push({
    afterwards: async (unixS) => {
      if (unixS !== hourUnixS) return;
      const aliveUnixS = unixS + SEALED_AFTER_S;
      gateway.send(await device.boot(LATER, aliveUnixS + 5, aliveUnixS), unixS);
    },
  });
  return () => ({
    fault: "software changed",
    findings: [
      { class: "software", where: systemOf(gateway), count: 1 },
      { class: "restart", where: systemOf(gateway), count: 1 },
    ],
  });
}

/** The device names its next key, and goes on with that. Nothing is wrong with it. */
export function rotated(gateway: Gateway, ledger: Ledger, hourUnixS: number, next: Signer): Plant {
  const { device } = gateway;
  let statement: Uint8Array | undefined;
  gateway.twists.push({
    afterwards: async (unixS) => {
      if (unixS !== hourUnixS) return;
      const event = { kind: "key-rotated", key: next.key, heads: device.allHeads() } as const;
      const said = await device.tell(SYSTEM_STREAM, event, unixS + SEALED_AFTER_S);
      gateway.send(said, unixS);
      statement = said.bytes;
      device.signer = next;
    },
    before: async (unixS) => {
      if (statement === undefined || unixS !== hourUnixS + HOUR_S) return;
      await ledger.enact([{ kind: "rotate", statement }], unixS - 60);
    },
  });
  return () => ({ fault: "key rotated", findings: [] });
}

/** Where a device speaks of itself. */
const systemOf = ({ device: { iss } }: Gateway): string => `${iss}/${SYSTEM_STREAM}`;

/**
 * The key was stolen: the operator revokes it, says since when it is suspect, and enrols the device anew. Its chains begin again, which the re-enrolment covers.
 *
 * @param hours - statements of so many hours before the revocation are suspect
 */
export function revoked(gateway: Gateway, ledger: Ledger, hourUnixS: number, next: Signer, hours = 4): Plant {
  const { device } = gateway;
  let suspectFrom = 0;
  gateway.twists.push({
    before: async (unixS) => {
      // The log's size as it is before the first suspect hour is committed.
      if (unixS === hourUnixS - hours * HOUR_S) suspectFrom = ledger.size;
      if (unixS !== hourUnixS) return;
      const { iss, signer } = device;
      const enrolment = { device: iss, key: next.key, streams: ["*"], silenceS: SILENCE_S } as const;
      await ledger.enact(
        [
          { kind: "revoke", kid: signer.key.kid, from: suspectFrom },
          { kind: "re-enrol", ...enrolment, reason: "key stolen" },
        ],
        unixS - 60,
      );
      device.signer = next;
      const before = { lost: "enrolled anew" } as const;
      gateway.send(await device.openSystem(unixS, before), unixS);
      for (const meter of gateway.meters)
        meter.send(await device.open(meter.sub, meter.opening, unixS, before), unixS);
    },
  });
  return () => ({
    fault: "key revoked, suspect from before",
    findings: gateway.meters.flatMap(({ name: where }) => [
      { class: "declared-suspect-later", where, count: hours },
      { class: "re-enrolled", where, count: 1 },
    ]),
  });
}

/** The gateway's data were lost, and nobody enrolled it anew. */
export function amnesia(gateway: Gateway, hourUnixS: number): Plant {
  const { device } = gateway;
  gateway.twists.push({
    afterwards: async (unixS) => {
      if (unixS !== hourUnixS) return;
      const atUnixS = unixS + SEALED_AFTER_S + 60;
      const before = { lost: "database damaged" } as const;
      gateway.send(await device.openSystem(atUnixS, before), unixS);
      gateway.send(await device.boot(VERSION, atUnixS), unixS);
      for (const meter of gateway.meters)
        meter.send(await device.open(meter.sub, meter.opening, atUnixS, before), unixS);
    },
  });
  return () => ({
    fault: "chain begins with a lost predecessor",
    findings: [
      ...gateway.meters.map(({ name }) => ({ class: "discontinuity", where: name, count: 1 })),
      { class: "restart", where: systemOf(gateway), count: 1 },
    ],
  });
}
