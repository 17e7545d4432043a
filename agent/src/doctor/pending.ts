/**
 * What was begun and isn't through: an enrolment, a rotation of the key.
 *
 * @module
 */
import { ok, warn, type Finding } from "@tallystick/evidence/node";
import { readPending } from "../enrol/pending.ts";
import type { Patient } from "./patient.ts";

export function pendingFindings({ settings, record, pid }: Patient): readonly Finding[] {
  return [...enrolmentFindings(settings.data), ...rotationFindings(record?.report.rotation ?? null, pid)];
}

const enrolmentFindings = (data: string): readonly Finding[] =>
  readPending(data) === undefined
    ? []
    : [
        warn(
          "enrolment",
          "begun, and not through",
          "tally-agent enrol goes on where it was; an operator may have to approve it, or a certificate to be brought",
        ),
      ];

function rotationFindings(
  rotation: NonNullable<Patient["record"]>["report"]["rotation"],
  pid: Patient["pid"],
): readonly Finding[] {
  if (rotation === null) return [];
  const keys = `from ${rotation.from.slice(0, 16)}… to ${rotation.to.slice(0, 16)}…`;
  if (pid === null)
    return [warn("rotation", `${keys}: under way, and no agent runs`, "start the agent: it goes on with it")];
  return rotation.isReceipted
    ? [
        warn(
          "rotation",
          `${keys}: the log has the old key's last word, and takes nothing of the new one yet`,
          "an operator runs tally-anchor rotate",
        ),
      ]
    : [ok("rotation", `${keys}: the old key's last word is on its way`)];
}
