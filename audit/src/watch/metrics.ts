/**
 * Figures of a watch for Prometheus, as a text file for its node exporter. Labels are codes of alerts, never names.
 *
 * @module
 */
import { ALERTS, type AlertCode } from "./alert.ts";
import type { WatchState } from "./state.ts";
import type { Standing } from "./watcher.ts";

export function metricsText(
  { open, size, derived, committed }: Standing,
  { outgoing, dropped }: Pick<WatchState, "outgoing" | "dropped">,
  lookedUnixS: number,
): string {
  const codes = Object.keys(ALERTS) as AlertCode[];
  const lines = [
    ...gauge("log_size", "Entries of the newest proven checkpoint", size),
    ...gauge("derived_entries", "Entries that were derived", derived),
    ...gauge(
      "committed_timestamp_seconds",
      "When the newest tree was committed, as far as known",
      committed ?? 0,
    ),
    ...gauge("looked_timestamp_seconds", "When it was looked last", lookedUnixS),
    ...gauge("alerts_waiting", "Alerts that the receiver has not taken", outgoing.length),
    ...gauge("alerts_dropped", "Alerts let go because too many waited", dropped),
    "# HELP tally_watch_alerts Alerts that are open, by code",
    "# TYPE tally_watch_alerts gauge",
    ...codes.map(
      (code) => `tally_watch_alerts{code="${code}"} ${open.filter((one) => one.code === code).length}`,
    ),
  ];
  return `${lines.join("\n")}\n`;
}

const gauge = (name: string, help: string, value: number): string[] => [
  `# HELP tally_watch_${name} ${help}`,
  `# TYPE tally_watch_${name} gauge`,
  `tally_watch_${name} ${value}`,
];
