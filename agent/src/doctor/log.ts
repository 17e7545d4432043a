/**
 * The log's pinned key, held against the receipts that there are.
 *
 * @module
 */
import { parseVkey } from "@tallystick/evidence";
import { inTime, ok, warn, type Finding } from "@tallystick/evidence/node";
import type { Patient } from "./patient.ts";

/** Without a receipt for so many heartbeats something is wrong, or the line is down. */
const HEARTBEATS = 3;

export function logFindings({ settings, record }: Patient): readonly Finding[] {
  const pinned = settings.log.map((vkey) => parseVkey(vkey).name);
  const last = record?.report.lastReceipt ?? null;
  if (last === null)
    return [
      warn(
        "log key",
        `${pinned.join(", ")}: pinned, and no receipt has shown yet that it is the log's`,
        "see broker and outbox below",
      ),
    ];
  const findings = [
    pinned.includes(last.origin)
      ? ok("log key", `${last.origin}: the newest receipt is by the key pinned`)
      : warn(
          "log key",
          `the newest receipt is of ${last.origin}, which is pinned no more`,
          `is ${pinned.join(", ")} right? A log that was succeeded stays in the list`,
        ),
  ];
  const ageS = (Date.now() - Date.parse(last.time)) / 1000;
  const text = `the newest is of ${last.time}, ${inTime(Math.max(0, ageS))} ago, tree of ${last.size}`;
  const isOld = ageS > HEARTBEATS * settings.heartbeatS;
  return [
    ...findings,
    isOld
      ? warn("receipt", text, "nothing was receipted since: see agent, broker and outbox")
      : ok("receipt", text),
  ];
}
