/**
 * A coverage in words: the verdict first, then one line a stream with a strip of its days, then the sentences that can be said of its chains, then
 * what was found.
 *
 * @module
 */
import type { Result } from "../result.ts";
import {
  CAUSES,
  type Colour,
  type CoverageBody,
  type Finding,
  type StreamCoverage,
  type Tally,
} from "./body.ts";
import { titleOf, weightOf } from "./classes.ts";

const HEADLINE: Record<Result["verdict"], string> = {
  verified: "verified",
  restricted: "verified with restrictions",
  "not-verifiable": "NOT VERIFIABLE",
  invalid: "INVALID",
};

/** A day: whole, explained, not explained, nothing due. */
const SIGNS: Record<Colour, string> = { green: "#", amber: "o", red: "!", none: "." };

/** Streams and findings that are written out; the rest are counted. */
const MAX_STREAMS = 200;
const MAX_FINDINGS = 100;
/** Days in one strip; a longer period is shown by months. */
const MAX_DAYS = 62;

/** @param name - of the evidence */
export function coverageText(result: Result<CoverageBody>, name: string): string {
  const { body } = result;
  const { zone, from, to, streams, devices } = body;
  const lines = [
    `${name}: ${HEADLINE[result.verdict]}${result.code === undefined ? "" : ` [${result.code}]`}; ${counted(result.findings, "finding")}`,
    `  log ${result.log.origin} at size ${result.log.size}, root ${result.log.root}`,
    `  from ${from} to ${to}, ${zone}`,
    ...result.checks.flatMap(({ name: check, result: how, code, reason }) =>
      how === "passed"
        ? []
        : [
            `  ${check}: ${how}${code === undefined ? "" : ` [${code}]`}${reason === undefined ? "" : `: ${reason}`}`,
          ],
    ),
    "",
    ...table(streams.slice(0, MAX_STREAMS)),
    ...left(streams.length - MAX_STREAMS, "stream"),
    `  # whole   o missing and explained   ! missing   . nothing due`,
    "",
    ...streams.slice(0, MAX_STREAMS).flatMap(sentences),
    ...devices.map(({ iss, silenceS, told, starts, versions, longestS }) => {
      const heard =
        longestS === null
          ? "when it was heard is not known"
          : `heard at least every ${longestS} s (${silenceS ?? "?"} s are allowed)`;
      const self = told
        ? `${counted(starts, "start")}${versions.length === 0 ? "" : `, version ${versions.join(", then ")}`}`
        : "not all that it says of itself is here: starts and clock steps may be left out";
      return `${iss}: ${heard}; ${self}`;
    }),
    "",
    ...findings(body),
    "Not shown by any of this: that the sensor told the truth; conformity with any metering law.",
  ];
  return `${lines.map(printable).join("\n")}\n`;
}

/** Text from evidence on its way to a terminal: no control characters. */
const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\u2028\u2029]/gu, "\ufffd");

function table(streams: readonly StreamCoverage[]): string[] {
  const rows = streams.map(({ iss, sub, state, total, days, months }) => [
    `${iss}/${sub}`,
    state,
    total.expected === null ? "-" : String(total.expected),
    String(total.received),
    shortOf(total),
    (days.length <= MAX_DAYS ? days : months).map(({ colour }) => SIGNS[colour]).join(""),
  ]);
  const all = [["stream", "state", "expected", "here", "missing", "days"], ...rows];
  const widths = [0, 1, 2, 3, 4].map((i) => Math.max(...all.map((row) => row[i]?.length ?? 0)));
  return all.map((row) =>
    `  ${row.map((cell, i) => (i === 2 || i === 3 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0))).join("  ")}`.trimEnd(),
  );
}

const shortOf = ({ missing }: Tally): string =>
  CAUSES.flatMap((cause) => (missing[cause] > 0 ? [`${missing[cause]} ${cause}`] : [])).join(", ") || "0";

/** What can be said of a stream's chains, and no more. */
function sentences(stream: StreamCoverage): string[] {
  const { iss, sub, chains, begins, ends, total, readings, clock, qualities } = stream;
  const lines = chains.map(({ ch, seqs, held, missing, attested }) => {
    const range = `seq ${seqs.from}..${seqs.to}`;
    const lacks = CAUSES.flatMap((cause) => (missing[cause] > 0 ? [`${missing[cause]} ${cause}`] : []));
    const claim =
      lacks.length === 0 ? `complete for ${range}` : `${range}: ${held} here, missing ${lacks.join(", ")}`;
    return `  chain ${ch}: ${claim}${attestation(attested, seqs.to, lacks.length === 0)}`;
  });
  const edges = [
    ...(begins.by === "open" ? ["  nothing shows that it begins here"] : []),
    ...(ends.by === "open"
      ? [`  nothing is attested ${ends.at === null ? "of its end" : `after ${ends.at}`}`]
      : []),
  ];
  const more = [
    ...(total.late > 0 ? [`${total.late} late`] : []),
    ...(total.repeats > 0 ? [`${total.repeats} told twice`] : []),
    ...(total.conflicts > 0 ? [`${total.conflicts} in conflict`] : []),
    ...clocks(clock, readings),
    ...qualities.map(({ quality, count }) => `${count} ${quality}`),
  ];
  return [
    `${iss}/${sub}`,
    ...lines,
    ...edges,
    ...(more.length > 0 ? [`  readings: ${more.join(", ")}`] : []),
  ];
}

/** Of the clock at sealing, by the time quality of the statement. */
const CLOCKS = [
  "by an unknown clock",
  "by an unsynchronised clock",
  "by NTP or PTP",
  "by an authenticated clock",
];

/** In per cent of the readings; that all are by a clock that was set goes without saying. */
function clocks(clock: StreamCoverage["clock"], of: number): string[] {
  const isUsual = clock[2] + clock[3] === of;
  return CLOCKS.flatMap((name, tq) => {
    const count = clock[tq] ?? 0;
    return isUsual || count === 0 ? [] : [`${((100 * count) / of).toFixed(1)} % ${name}`];
  });
}

function attestation(
  attested: StreamCoverage["chains"][number]["attested"],
  last: number,
  isWhole: boolean,
): string {
  if (attested === null) return "; no heads name any of it";
  const by = `by heads of ${attested.at ?? "an unknown time"}`;
  if (attested.seq === last) return `${isWhole ? "" : `; ${last} was the last`} ${by}; nothing claimed after`;
  return `; ${attested.seq} is named ${by}`;
}

function findings({ counts, findings: all }: CoverageBody): string[] {
  if (counts.length === 0) return ["Nothing was found.", ""];
  const faults = all.filter((one) => weightOf(one.class) === "fault");
  const told = all.filter((one) => weightOf(one.class) === "told");
  const total = counts.reduce((sum, { count }) => sum + count, 0);
  const shown = [...faults, ...told].slice(0, MAX_FINDINGS);
  return [
    "Findings",
    ...counts.map(
      ({ class: name, weight, count }) =>
        `  ${String(count).padStart(6)}  ${weight === "fault" ? "!" : " "} ${titleOf(name)}`,
    ),
    "",
    ...shown.map((one) => `  ${weightOf(one.class) === "fault" ? "!" : " "} ${findingText(one)}`),
    ...left(total - shown.length, "finding"),
    "",
  ];
}

function findingText({ class: name, iss, sub, seqs, from, to, count, name: of, says }: Finding): string {
  const where = [
    ...(seqs === null ? [] : [seqs.from === seqs.to ? `seq ${seqs.from}` : `seq ${seqs.from}..${seqs.to}`]),
    ...(from === null && to === null ? [] : [from === to ? (from ?? "") : `${from ?? "…"} to ${to ?? "…"}`]),
    ...(of === null ? [] : [of]),
  ];
  return `${name} (${count}): ${iss}/${sub}${where.length === 0 ? "" : `, ${where.join(", ")}`}: ${says}`;
}

const left = (count: number, noun: string): string[] =>
  count > 0 ? [`  and ${counted(count, noun)} more: --json or -o FOLDER has them`] : [];

const counted = (count: number, noun: string): string => `${count} ${noun}${count === 1 ? "" : "s"}`;
