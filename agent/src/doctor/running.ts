/**
 * Whether an agent runs, how large it is, and whether its database can be read.
 *
 * @module
 */
import { fail, inBytes, ok, residentBytes, unknown, warn, type Finding } from "@tallystick/evidence/node";
import { VERSION } from "../self/version.ts";
import type { Patient } from "./patient.ts";

export function runningFindings({ settings, pid, record, fault }: Patient): readonly Finding[] {
  return [
    processFinding(pid),
    ...(fault === undefined ? [] : [fault]),
    ...(record === undefined && fault === undefined
      ? [warn("database", `${settings.data}: none yet`, "it is made at the first start: tally-agent run")]
      : []),
    ...ownerFindings(record?.report.iss ?? undefined, settings.iss),
  ];
}

function processFinding(pid: Patient["pid"]): Finding {
  const about = "agent";
  if (pid === undefined)
    return unknown(
      about,
      "whether one runs can't be seen here",
      "run the doctor as root, on the gateway itself",
    );
  if (pid === null)
    return warn(
      about,
      `${VERSION}, and none runs on this data`,
      "start it: systemctl start tally-agent, or tally-agent run",
    );
  const rss = residentBytes(pid);
  return ok(
    about,
    `${VERSION} here; one runs as process ${pid}${rss === undefined ? "" : `, ${inBytes(rss)} of memory`}`,
  );
}

const ownerFindings = (owner: string | undefined, iss: string): readonly Finding[] =>
  owner === undefined || owner === iss
    ? []
    : [
        fail(
          "database",
          `it is ${owner}'s, and the configuration is for ${iss}`,
          "give each device a data folder of its own, or put the name right",
        ),
      ];
