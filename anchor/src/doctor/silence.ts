/**
 * Devices that are silent for longer than the registry allows, and alarms that nobody takes.
 *
 * @module
 */
import { inTime, ok, warn, type Finding } from "@tallystick/evidence/node";
import type { Patient } from "./patient.ts";

const MAX_SHOWN = 20;

export function silenceFindings({ alarms, config }: Patient): readonly Finding[] {
  if (alarms === undefined) return [ok("silence", "not watched yet: the anchor begins at its next start")];
  const silent = alarms.silent();
  const waiting = alarms.waitingCount;
  const findings = silent.slice(0, MAX_SHOWN).map(({ iss, sub, since, allowedS }) => {
    const age =
      since === null
        ? "has never said anything"
        : `has said nothing for ${inTime(Date.now() / 1000 - since)}`;
    const who = sub === null ? iss : `${iss} ${sub}`;
    return warn(
      "silence",
      `${who} ${age}, ${inTime(allowedS)} are allowed`,
      "see to the device (tally-agent doctor), or revoke its key",
    );
  });
  if (silent.length > MAX_SHOWN)
    findings.push(warn("silence", `and ${silent.length - MAX_SHOWN} more`, "see GET /silent"));
  return [
    ...(findings.length > 0 ? findings : [ok("silence", "nobody is silent for longer than allowed")]),
    config.alarms.webhook === undefined
      ? ok("alarms", "shown, and sent nowhere: alarms.webhook names a receiver")
      : waiting > 0
        ? warn(
            "alarms",
            `${waiting} wait to be taken by ${config.alarms.webhook}, ${alarms.dropped} were let go`,
            "see that the receiver answers 2xx",
          )
        : ok("alarms", `${config.alarms.webhook} has taken all`),
  ];
}
