/**
 * When the log was backed up last, as `tally-anchor backup` notes it beside the database.
 *
 * @module
 */
import { inTime, ok, warn, type Finding } from "@tallystick/evidence/node";
import { lastBackup } from "../backup/backup-note.ts";
import type { Patient } from "./patient.ts";

const OLD_S = 2 * 86_400;

export function backupFindings({ config, record }: Patient): readonly Finding[] {
  if (record === undefined) return [];
  const note = lastBackup(config.data);
  if (note === undefined)
    return [
      warn(
        "backup",
        "none is known: tally-anchor backup notes what it wrote beside the database; other ways can't be seen",
        "back up daily to another machine: tally-anchor backup -o DIR",
      ),
    ];
  const ageS = Math.max(0, Date.now() / 1000 - note.timeUnixS);
  const behind = (record.last?.size ?? 0) - note.size;
  const text = `${note.file}, ${inTime(ageS)} ago, ${behind} entries behind`;
  return [
    ageS > OLD_S
      ? warn("backup", text, "back up daily: what is in no backup has to be asked back from devices")
      : ok("backup", text),
  ];
}
