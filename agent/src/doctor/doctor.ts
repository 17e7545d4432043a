/**
 * `tally-agent doctor`: looks at everything that an agent needs, also while it runs, and changes nothing.
 *
 * @module
 */
import process from "node:process";
import {
  checkUp,
  ConfigError,
  fail,
  ok,
  printFindings,
  type Check,
  type Command,
  type Finding,
} from "@tallystick/evidence/node";
import { configPath, readSettings, type Settings } from "../config/config.ts";
import { brokerFindings } from "./broker.ts";
import { clockFindings } from "./clock.ts";
import { diskFindings } from "./disk.ts";
import { fileFindings } from "./files.ts";
import { keyFindings } from "./key.ts";
import { logFindings } from "./log.ts";
import { machineFindings } from "./machine.ts";
import { outboxFindings } from "./outbox.ts";
import { closePatient, openPatient, type Patient } from "./patient.ts";
import { runningFindings } from "./running.ts";
import { pendingFindings } from "./pending.ts";
import { sourceFindings } from "./sources.ts";

/** Time for one check; all of them run side by side. */
const MAX_CHECK_MS = 8000;

export const runDoctor: Command["run"] = async ({ values }) => {
  const file = configPath(values["config"], process.env);
  const findings = await examine(file, process.env);
  return printFindings(findings, values["json"] === true);
};

/** Everything that was found; without a configuration that can be read, only that. */
export async function examine(
  file: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly Finding[]> {
  let settings: Settings;
  try {
    settings = readSettings(file, env);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.faults.map((fault) =>
      fail("configuration", fault, "mend it; agent.example.yaml has every setting"),
    );
  }
  const patient = openPatient(file, settings);
  try {
    const good = ok("configuration", `${file}: good, for ${settings.iss}`);
    return [good, ...(await checkUp(checksOf(patient), MAX_CHECK_MS))];
  } finally {
    closePatient(patient);
  }
}

const checksOf = (patient: Patient): readonly Check[] => [
  { about: "agent", look: () => runningFindings(patient) },
  { about: "clock", look: () => clockFindings(patient) },
  { about: "key", look: () => keyFindings(patient) },
  { about: "pending", look: () => pendingFindings(patient) },
  { about: "machine", look: () => machineFindings(patient) },
  { about: "permissions", look: () => fileFindings(patient) },
  { about: "disk", look: () => diskFindings(patient) },
  { about: "broker", look: (signal) => brokerFindings(patient, signal) },
  { about: "log key", look: () => logFindings(patient) },
  { about: "outbox", look: () => outboxFindings(patient) },
  { about: "sources", look: () => sourceFindings(patient) },
];
