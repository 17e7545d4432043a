/**
 * The line to the broker: name, port, certificates, and whether the anchor is let in and may read what devices send.
 *
 * @module
 */
import { existsSync, readFileSync } from "node:fs";
import {
  certificateExpiry,
  fail,
  ok,
  parsePin,
  probeBroker,
  unknown,
  type Expected,
  type Finding,
} from "@tallystick/evidence/node";
import { connectionOf } from "../intake/broker-connection.ts";
import { listenAddress, type Config } from "../config.ts";
import { tryBroker } from "../intake/intake.ts";
import type { Patient } from "./patient.ts";
import { healthAt } from "./running.ts";

const RIGHTS =
  "see services in the broker's configuration: publish down and checkpoint, subscribe to up, checkpoint and state";

export async function* brokerFindings(patient: Patient, signal: AbortSignal): AsyncGenerator<Finding, void> {
  const { broker } = patient.config;
  const isGood = yield* probeBroker(broker.url, () => expectedOf(broker), signal);
  if (broker.tls.cert !== undefined && existsSync(broker.tls.cert))
    yield certificateExpiry("own certificate", readFileSync(broker.tls.cert));
  if (isGood) yield await entryFinding(patient, signal);
}

const expectedOf = ({ tls }: Config["broker"]): Expected => ({
  ...(tls.pin !== undefined && { pin: [tls.pin].flat().map(parsePin) }),
  ...(tls.ca !== undefined && { ca: readFileSync(tls.ca) }),
  ...(tls.cert !== undefined && { cert: readFileSync(tls.cert) }),
  ...(tls.key !== undefined && { key: readFileSync(tls.key) }),
});

/** A running anchor says how it fares: a second connection under its name would end its own. */
async function entryFinding({ config, pid }: Patient, signal: AbortSignal): Promise<Finding> {
  const about = "broker entry";
  if (typeof pid === "number") {
    const { host, port } = listenAddress(config.http.listen);
    const health = await healthAt(host, port, signal);
    if (health === undefined) return unknown(about, "the running anchor doesn't say", "see http");
    return health.broker === "connected"
      ? ok(about, "the running anchor is connected, and subscribed to what devices send")
      : fail(about, `the running anchor has no connection: ${health.brokerFault ?? "see its log"}`, RIGHTS);
  }
  try {
    await tryBroker(connectionOf(config.broker), signal);
    return ok(about, `${config.broker.clientId} is let in`);
  } catch (error) {
    return fail(about, error instanceof Error ? error.message : String(error), RIGHTS);
  }
}
