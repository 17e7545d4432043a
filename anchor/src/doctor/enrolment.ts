/**
 * Where devices enrol: the certificate that they pin, and requests that wait for an operator.
 *
 * @module
 */
import { existsSync, readdirSync } from "node:fs";
import {
  certificateExpiry,
  ok,
  pinOf,
  probePort,
  readTls,
  warn,
  type Finding,
} from "@tallystick/evidence/node";
import type { Patient } from "./patient.ts";

const ANY = /^(?:0\.0\.0\.0|\[?::\]?)$/;

export async function* enrolmentFindings(
  { config, places, pid }: Patient,
  signal: AbortSignal,
): AsyncGenerator<Finding, void> {
  const about = "enrolment";
  if (config.public === undefined) yield ok(about, "not over the network: devices are enrolled by hand");
  else {
    const { tls, listen } = config.public;
    const chain = String(readTls(tls).options.cert); // says what is wrong with the files
    yield ok(about, `devices may pin ${pinOf(chain)}`);
    yield certificateExpiry(about, chain, true);
    const at = listen.lastIndexOf(":");
    const host = listen.slice(0, at);
    const endpoint = {
      host: ANY.test(host) ? "127.0.0.1" : host.replace(/^\[|\]$/g, ""),
      port: Number(listen.slice(at + 1)),
    };
    if (typeof pid === "number" && endpoint.port !== 0) yield await probePort(about, endpoint, signal);
  }
  const waiting = waitingRequests(places.requests);
  if (waiting > 0)
    yield warn(about, `${waiting} requests wait for an operator`, "tally-anchor approve lists them");
}

/** One file each; beside it what was decided. */
function waitingRequests(folder: string): number {
  if (!existsSync(folder)) return 0;
  const names = new Set(readdirSync(folder));
  const isOpen = (name: string): boolean =>
    [".approved", ".refused"].every((ending) => !names.has(name.replace(/\.cbor$/, ending)));
  return [...names].filter((name) => name.endsWith(".cbor") && isOpen(name)).length;
}
