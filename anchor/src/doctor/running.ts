/**
 * Whether an anchor runs, how large it is, whether it answers, and its clock.
 *
 * @module
 */
import {
  fail,
  inBytes,
  inTime,
  ok,
  residentBytes,
  synchronisedBy,
  unknown,
  warn,
  type Finding,
} from "@tallystick/evidence/node";
import { listenAddress } from "../config.ts";
import type { Patient } from "./patient.ts";

/** More than the budget of an anchor at full load. */
const MUCH_MEMORY_BYTES = 450e6;
/** The clock may stand so far before the newest commit. */
const BACK_S = 60;

export function processFinding({ pid, fault }: Patient): readonly Finding[] {
  const about = "anchor";
  const faults = fault === undefined ? [] : [fault];
  if (pid === undefined)
    return [
      unknown(
        about,
        "whether one runs can't be seen here",
        "run the doctor as root, on the anchor's machine",
      ),
      ...faults,
    ];
  if (pid === null)
    return [
      warn(about, "none runs on this data", "start it: systemctl start tally-anchor, or tally-anchor run"),
      ...faults,
    ];
  const rss = residentBytes(pid);
  const text = `runs as process ${pid}${rss === undefined ? "" : `, ${inBytes(rss)} of memory`}`;
  const isLarge = rss !== undefined && rss > MUCH_MEMORY_BYTES;
  return [
    isLarge ? warn(about, text, "more than it should need: see docs/performance.md") : ok(about, text),
    ...faults,
  ];
}

/** What `/healthz` of a running anchor says. */
export type Health = { readonly status: string; readonly broker: string; readonly brokerFault?: string };

export async function httpFinding(
  { config, pid }: Patient,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const { host, port } = listenAddress(config.http.listen); // says what is wrong with it
  if (typeof pid !== "number") return [ok("http", `${config.http.listen}, on loopback; nothing runs`)];
  const health = await healthAt(host, port, signal);
  if (health === undefined)
    return [
      fail(
        "http",
        `${config.http.listen} doesn't answer, and the anchor runs`,
        "is the configuration the one that it was started with? Else restart it",
      ),
    ];
  return [ok("http", `${config.http.listen} answers: ${health.status}`)];
}

/** Undefined where nobody answers. */
export async function healthAt(host: string, port: number, signal: AbortSignal): Promise<Health | undefined> {
  try {
    const shown = host.includes(":") ? `[${host}]` : host;
    const response = await fetch(`http://${shown}:${port}/healthz`, { signal, redirect: "error" });
    return (await response.json()) as Health;
  } catch {
    return undefined;
  }
}

export async function clockFindings({ record }: Patient): Promise<readonly Finding[]> {
  const now = Date.now() / 1000;
  const text = new Date().toISOString();
  const last = record?.last?.timeUnixS ?? 0;
  if (now < last - BACK_S)
    return [
      fail(
        "clock",
        `${text} is ${inTime(last - now)} before the newest commit`,
        "put it right before the anchor commits anything: commit times are what receipts say",
      ),
    ];
  const by = await synchronisedBy();
  return [
    by === undefined
      ? warn(
          "clock",
          `${text}, and nothing shows that it is synchronised`,
          "receipts state this time: let NTP keep it; in a container, see to the host",
        )
      : ok("clock", `${text}, synchronised (${by})`),
  ];
}
