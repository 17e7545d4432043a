/**
 * Everything that an anchor needs, looked at and not changed, also while it runs.
 *
 * @module
 */
import { checkUp, ok, type Check, type Finding } from "@tallystick/evidence/node";
import type { Config } from "../config.ts";
import { backupFindings } from "./backup.ts";
import { brokerFindings } from "./broker.ts";
import { enrolmentFindings } from "./enrolment.ts";
import { fileFindings, logKeyFindings, operatorKeyFindings } from "./keys.ts";
import { databaseFindings, diskFindings, publicFindings } from "./log.ts";
import { closePatient, openPatient, type Patient } from "./patient.ts";
import { readFindings } from "./reads.ts";
import { clockFindings, httpFinding, processFinding } from "./running.ts";
import { silenceFindings } from "./silence.ts";

/** Time for one check; all of them run side by side. */
const MAX_CHECK_MS = 20_000;

/** @param file - of the configuration; undefined where it is all defaults */
export async function examine(file: string | undefined, config: Config): Promise<readonly Finding[]> {
  const patient = openPatient(file, config);
  try {
    const good = ok("configuration", file === undefined ? `defaults, for ${config.data}` : `${file}: good`);
    return [good, ...(await checkUp(checksOf(patient), MAX_CHECK_MS))];
  } finally {
    closePatient(patient);
  }
}

const checksOf = (patient: Patient): readonly Check[] => [
  { about: "anchor", look: () => processFinding(patient) },
  { about: "clock", look: () => clockFindings(patient) },
  { about: "log key", look: () => logKeyFindings(patient) },
  { about: "operator", look: () => operatorKeyFindings(patient) },
  { about: "permissions", look: () => fileFindings(patient) },
  { about: "database", look: (signal) => databaseFindings(patient, signal) },
  { about: "disk", look: () => diskFindings(patient) },
  { about: "public", look: () => publicFindings(patient) },
  { about: "backup", look: () => backupFindings(patient) },
  { about: "http", look: (signal) => httpFinding(patient, signal) },
  { about: "broker", look: (signal) => brokerFindings(patient, signal) },
  { about: "enrolment", look: (signal) => enrolmentFindings(patient, signal) },
  { about: "reads", look: () => readFindings(patient) },
  { about: "silence", look: () => silenceFindings(patient) },
];
