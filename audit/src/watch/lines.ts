/**
 * What a watch prints: a line for each alert that begins or ends, and how it stands; as text, or one JSON object a line.
 *
 * @module
 */
import { counted } from "../judgement.ts";
import { printable } from "../report.ts";
import { iso, type Alert, type Change } from "./alert.ts";
import type { Standing } from "./watcher.ts";

export const changeLine = (change: Change, json: boolean): string =>
  json
    ? `${JSON.stringify(change)}\n`
    : `${change.at} ${change.state === "once" ? "" : `${change.state}: `}${alertText(change)}\n`;

export function standingLines(standing: Standing, json: boolean): string {
  const { open, origin, size, derived, committed } = standing;
  const time = committed === undefined ? null : iso(committed);
  if (json) return `${JSON.stringify({ standing: { origin, size, derived, committed: time, open } })}\n`;
  if (size === 0) return `${[...openLines(open), "no checkpoint yet"].join("\n")}\n`;
  const rest = derived < size ? `, ${derived} of them derived so far` : ", all derived";
  const first = `${printable(origin)}: ${counted(size, "entry").replace("entrys", "entries")}${rest}; newest commit ${time ?? "unknown"}`;
  return `${[first, ...openLines(open)].join("\n")}\n`;
}

const openLines = (open: readonly Alert[]): string[] =>
  open.map((alert) => `  since ${alert.since}: ${alertText(alert)}`);

function alertText({ code, subject, because, text, evidence }: Alert): string {
  const proof = evidence === undefined ? "" : `; the proof is in ${evidence}`;
  const cause = because === undefined || because === code ? "" : ` [${because}]`;
  return `${code} ${printable(subject)}: ${printable(text)}${cause}${proof}`;
}
