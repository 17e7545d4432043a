/**
 * The line to the broker, step by step: name, port, certificate, and whether the device is let in.
 *
 * @module
 */
import { readFileSync } from "node:fs";
import {
  fail,
  inTime,
  ok,
  parsePin,
  probeBroker,
  systemTimer,
  warn,
  type Expected,
  type Finding,
} from "@tallystick/evidence/node";
import type { Settings } from "../config/config.ts";
import { openKeyStore } from "../keys/store.ts";
import { signingKid } from "../seal/signing-key.ts";
import { notedLine } from "../uplink/line-state.ts";
import { tryBroker } from "../uplink/uplink.ts";
import type { Patient } from "./patient.ts";

export async function* brokerFindings(patient: Patient, signal: AbortSignal): AsyncGenerator<Finding, void> {
  const { broker } = patient.settings;
  const isGood = yield* probeBroker(broker.url, () => expectedOf(broker), signal);
  if (isGood) yield* await entryFindings(patient, signal);
}

const expectedOf = ({ tls }: Settings["broker"]): Expected => ({
  ...(tls?.pin === undefined ? {} : { pin: [tls.pin].flat().map(parsePin) }),
  ...(tls?.ca === undefined ? {} : { ca: readFileSync(tls.ca) }),
  ...(tls?.cert === undefined ? {} : { cert: readFileSync(tls.cert) }),
  ...(tls?.key === undefined ? {} : { key: readFileSync(tls.key) }),
});

/** A running agent says how it fares: a second connection under its name would end its own. */
async function entryFindings(
  { settings, pid, record }: Patient,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  if (typeof pid === "number") return [notedFinding(record && notedLine(record.meta))];
  const keys = await openKeyStore(settings, { timer: systemTimer });
  try {
    const key = await keys.open(record && signingKid(record.meta, keys.place));
    await tryBroker(settings, () => [key], signal);
    return [ok("broker entry", `${settings.iss} is let in`)];
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    const todo =
      "is the device enrolled, and its key the enrolled one? tally-agent key print, tally-anchor doctor";
    return [fail("broker entry", reason, todo)];
  } finally {
    await keys.close();
  }
}

function notedFinding(line: ReturnType<typeof notedLine>): Finding {
  if (line === undefined)
    return ok("broker entry", "the agent runs, and has noted nothing of its line yet: it does once a minute");
  const since = line.tq === 0 ? "" : ` for ${inTime((Date.now() - line.timeUnixMs) / 1000)}`;
  return line.state === "up"
    ? ok("broker entry", `the running agent has been connected${since}`)
    : warn(
        "broker entry",
        `the running agent has had no connection${since}: ${line.reason}`,
        "put right what it says; statements wait",
      );
}
