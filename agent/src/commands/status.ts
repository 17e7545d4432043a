/**
 * `tally-agent status`: the report as JSON, or as lines for people.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { EXIT, freeBytesAt, type Command } from "@tallystick/evidence/node";
import { configPath, readSettings, type Settings } from "../config/config.ts";
import { nextFile } from "../keys/store.ts";
import { makeReport, type Report } from "./report.ts";
import { UPLINK_SCOPE } from "../storage/counters.ts";
import { MIN_FREE_BYTES } from "../storage/room.ts";
import { readStorage } from "../storage/storage.ts";
import { NOT_KEPT } from "../uplink/trees.ts";

export const runStatus: Command["run"] = async ({ values }) => {
  const settings = readSettings(configPath(values["config"], process.env), process.env);
  const storage = readStorage(settings.data);
  try {
    const report = { ...makeReport(storage), freeBytes: freeBytesAt(settings.data) ?? null };
    process.stdout.write(
      values["json"] === true
        ? `${JSON.stringify(report)}\n`
        : [...diskLine(report.freeBytes), ...nextLine(settings, report), ...linesOf(report)].join(""),
    );
    return report.alarms.length > 0 ? EXIT.failed : EXIT.good;
  } finally {
    storage.close();
  }
};

/** A disk without room comes before all else: nothing is read. */
const diskLine = (freeBytes: number | null): readonly string[] =>
  freeBytes !== null && freeBytes < MIN_FREE_BYTES
    ? [`DISK FULL ${freeBytes} bytes free: free space; the agent goes on by itself\n`]
    : [];

/** A next key that nobody has taken up is known to nobody but its file. */
const nextLine = (settings: Settings, { rotation }: Report): readonly string[] =>
  rotation === null && existsSync(nextFile(settings))
    ? [`NEXT KEY  ${nextFile(settings)}: no agent has taken it up yet; one does when it runs\n`]
    : [];

/** The report for people: what needs action comes first. */
export function linesOf(report: Report): readonly string[] {
  const { iss, noted, rotation, streams, outbox, lastReceipt, seen, rejections, alarms, counters } = report;
  return [
    ...alarms.map(({ code, at, text }) => `ALARM ${code}  ${at}  ${shown(text)}\n`),
    ...notKeptLine(counters[UPLINK_SCOPE]?.[NOT_KEPT]),
    `device    ${iss ?? "unknown"}, time last noted ${noted ?? "never: the clock isn't known"}\n`,
    ...rotationLine(rotation),
    `receipt   ${lastReceipt === null ? "none yet" : `${lastReceipt.time}, tree of ${lastReceipt.size} of ${shown(lastReceipt.origin)}`}\n`,
    `seen      ${seen === null ? "no tree yet" : `tree of ${seen.size}, root ${seen.root.slice(0, 16)}…`}\n`,
    `outbox    ${outbox.waiting.count} without a receipt (${outbox.waiting.bytes} bytes), ${outbox.refused} of them refused; ${outbox.receipted.count} receipted (${outbox.receipted.bytes} bytes)\n`,
    ...(outbox.oldestWaiting === null
      ? []
      : [
          `oldest    ${outbox.oldestWaiting.sub} ${outbox.oldestWaiting.seq}, sealed ${outbox.oldestWaiting.sealed ?? "at an unknown time"}\n`,
        ]),
    ...outbox.dropped.map(
      ({ sub, first, last, count }) =>
        `dropped   ${sub} ${first} to ${last}: ${count} statements, not told of yet\n`,
    ),
    ...streams.flatMap((stream) => streamLines(stream, counters[stream.sub])),
    ...Object.entries(counters).flatMap(([scope, its]) =>
      scope.startsWith("exec:") ? counterLine(`program   ${scope.slice("exec:".length)}: `, its) : [],
    ),
    ...counterLine("uplink    ", counters[""]),
    ...rejections.map(
      ({ sub, seq, hash, code, text, last, count }) =>
        `refused   ${code}  ${sub === null ? hash : `${sub} ${seq}`}  ${count} times, last ${last}: ${shown(text)}\n`,
    ),
  ];
}

/** A log that contradicts itself without end is shown by its first contradictions. */
const notKeptLine = (count = 0): readonly string[] =>
  count === 0
    ? []
    : [
        `ALARM log-equivocation  ${count} more receipts contradict what was signed before; they are not kept\n`,
      ];

function rotationLine(rotation: Report["rotation"]): readonly string[] {
  if (rotation === null) return [];
  const { from, to, isReceipted } = rotation;
  const waits = isReceipted
    ? "until the log takes statements of the new key: an operator may have to run tally-anchor rotate"
    : "for the receipt of the old key's last word";
  return [`ROTATING  key ${from.slice(0, 16)}… to ${to.slice(0, 16)}…: waits ${waits}\n`];
}

function streamLines(
  stream: Report["streams"][number],
  counters: Readonly<Record<string, number>> | undefined,
): readonly string[] {
  const { sub, source, meter, seq, attested, hash, journalled, closed, unreadSince, unreadReason } = stream;
  const facts = [
    `${source}${meter === null ? "" : ` ${shown(meter)}`}`,
    `head ${seq} ${hash.slice(0, 16)}…`,
    ...(sub === "sys" ? [] : [`told up to ${attested}`]),
    `${journalled} journalled`,
    ...(closed ? ["closed"] : []),
    ...(unreadSince === null ? [] : [`UNREAD since ${unreadSince}: ${unreadReason}`]),
  ];
  return [`stream    ${sub}: ${facts.join(", ")}\n`, ...counterLine("          ", counters)];
}

const counterLine = (
  label: string,
  counters: Readonly<Record<string, number>> | undefined,
): readonly string[] =>
  counters === undefined
    ? []
    : [
        `${label}${Object.entries(counters)
          .map(([name, value]) => `${name} ${value}`)
          .join(", ")}\n`,
      ];

/** hostile: texts from devices and from the wire don't get to move the cursor. */
const shown = (text: string): string => text.replaceAll(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "\u{fffd}");
