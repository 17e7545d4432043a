/**
 * What can be seen of the agent, as Prometheus text and as its state of health. Labels are stream names and codes from closed lists.
 *
 * @module
 */
import { inUtc } from "../clock/utc.ts";
import { PROCESS_SCOPE, UPLINK_SCOPE } from "../storage/counters.ts";
import type { Seen } from "../commands/look.ts";

/** `offline` is no fault: statements are kept. `failing` needs somebody to look. */
export type Health = {
  readonly status: "ok" | "offline" | "failing";
  /** Codes of what is wrong: `outbox-full`, `alarm`. */
  readonly faults: readonly string[];
  readonly iss: string;
  readonly uptimeS: number;
  readonly tq: number;
  readonly line: {
    readonly state: "up" | "down" | "unknown";
    readonly since: string | null;
    readonly reason: string;
  };
  readonly waiting: { readonly count: number; readonly bytes: number; readonly maxBytes: number };
  /** Commit time of the newest receipt, and how long ago that is where the clock is known. */
  readonly lastReceipt: string | null;
  readonly lastReceiptAgeS: number | null;
};

export function healthOf(seen: Seen): Health {
  const { iss, uptimeS, tq, line, waiting, maxBytes, stopped, alarms, lastReceiptUnixS } = seen;
  const faults = [...(stopped ? ["outbox-full"] : []), ...(alarms > 0 ? ["alarm"] : [])];
  const isUp = line?.state === "up";
  return {
    status: faults.length > 0 ? "failing" : isUp ? "ok" : "offline",
    faults,
    iss,
    uptimeS,
    tq,
    line: {
      state: line?.state ?? "unknown",
      since: line === undefined || line.tq === 0 ? null : inUtc(line.timeUnixMs),
      reason: line?.reason ?? "",
    },
    waiting: { ...waiting, maxBytes },
    lastReceipt: lastReceiptUnixS === undefined ? null : inUtc(lastReceiptUnixS * 1000),
    lastReceiptAgeS: receiptAgeS(seen) ?? null,
  };
}

/** Undefined where there is no receipt, or the clock isn't known. */
function receiptAgeS({ lastReceiptUnixS, tq, timeUnixMs }: Seen): number | undefined {
  if (lastReceiptUnixS === undefined || tq === 0) return undefined;
  return Math.max(0, Math.round(timeUnixMs / 1000 - lastReceiptUnixS));
}

/** Prometheus text, version 0.0.4. */
export function metricsOf(seen: Seen, rssBytes: number): string {
  const lines: string[] = [];
  const one = (name: string, type: "gauge" | "counter", value: number | undefined): void => {
    if (value !== undefined) lines.push(`# TYPE tally_agent_${name} ${type}`, `tally_agent_${name} ${value}`);
  };
  const process = seen.counters.get(PROCESS_SCOPE);
  one("up_seconds", "gauge", seen.uptimeS);
  one("resident_bytes", "gauge", rssBytes);
  one("clock_quality", "gauge", seen.tq);
  one("broker_connected", "gauge", seen.line?.state === "up" ? 1 : 0);
  one("outbox_waiting_statements", "gauge", seen.waiting.count);
  one("outbox_waiting_bytes", "gauge", seen.waiting.bytes);
  one("outbox_max_bytes", "gauge", seen.maxBytes);
  one("outbox_stopped", "gauge", seen.stopped ? 1 : 0);
  one("window_statements", "gauge", seen.window);
  one("last_receipt_unix_seconds", "gauge", seen.lastReceiptUnixS);
  one("last_receipt_age_seconds", "gauge", receiptAgeS(seen));
  one("alarms", "gauge", seen.alarms);
  one("flash_bytes_total", "counter", process?.get("flash-bytes"));
  one("run_seconds_total", "counter", process?.get("run-s"));
  lines.push("# TYPE tally_agent_uplink_total counter");
  for (const [name, value] of seen.counters.get(UPLINK_SCOPE) ?? [])
    lines.push(`tally_agent_uplink_total{what="${name}"} ${value}`);
  lines.push("# TYPE tally_agent_source_total counter");
  for (const [scope, counters] of seen.counters) {
    if (scope === UPLINK_SCOPE || scope === PROCESS_SCOPE) continue;
    for (const [name, value] of counters)
      lines.push(`tally_agent_source_total{stream="${scope}",what="${name}"} ${value}`);
  }
  return `${lines.join("\n")}\n`;
}
