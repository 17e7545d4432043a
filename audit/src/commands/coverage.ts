/**
 * `tally-audit coverage CASE|BUNDLE`: what is here of streams and a period, what is missing, and why.
 *
 * @module
 */
import { rename, rm, writeFile } from "node:fs/promises";
import { basename, dirname, resolve } from "node:path";
import process from "node:process";
import { isEvidenceError, toHex } from "@tallystick/evidence";
import {
  nodeSha256,
  readBounded,
  required,
  syncDirectory,
  terminalProgress,
  UsageError,
  type Arguments,
  type Command,
} from "@tallystick/evidence/node";
import { bestProvider } from "../provider.ts";
import { parseAsked, type Asked } from "../case/take/streams.ts";
import { readInstant } from "../calendar.ts";
import type { CoverageBody } from "../coverage/body.ts";
import { coverFacts } from "../coverage/cover.ts";
import { CoverageFiles } from "../coverage/files.ts";
import { coverageText } from "../coverage/text.ts";
import { claimedBy } from "../facts/claimed.ts";
import { openFacts, type Facts } from "../facts/open.ts";
import { exitCode } from "../judgement.ts";
import { TOOL } from "../papers/tool.ts";
import { resultText, type Result, type ResultInput } from "../result.ts";
import { Zone } from "../zone.ts";
import { certify, readCertifier } from "./certificate.ts";
import { makeBeside, outputOf } from "./output.ts";
import { readPolicy } from "./policy.ts";

const DEFAULT_LATE = "24h";

export const coverage: Command = {
  summary: "what is here of streams and a period, what is missing and why; and the completeness certificate",
  usage:
    "CASE|BUNDLE --policy FILE --from TIME --to TIME --zone ZONE [--stream ORG/DEVICE/STREAM…] [-o FOLDER] [--certificate FILE --key FILE --name NAME] [--json]",
  details: [
    "--policy FILE      whom you trust: the log's key, witnesses, operators",
    "--from, --to TIME  the period, by the times of the readings: from the first on and before the second; 2026-11, 2026-11-01,",
    "                   2026-11-01T06:00, of the zone, or with an offset",
    "--zone ZONE        the zone of these times and of the days, e.g. Europe/Vienna",
    "--stream S…        streams, e.g. water/gw-1/meter/m-0417 or water/*/meter/*; without it those that the case was taken of",
    `--late TIME        readings that came to the log later than this are late: 90s, 15m, 6h, 7d; ${DEFAULT_LATE} unless told`,
    "-o FOLDER          makes the folder: result.json, one CSV for each class of findings, streams.csv, days.csv",
    "--certificate FILE writes the completeness certificate, signed by --key in the name of --name (docs/coverage.md)",
    "--key, --name      the auditor's private key (tally-audit key make), and the name in its verifier key",
    "--at TIME          when it was signed, as the signer says; without it the same inputs give the same bytes",
    "--strict           exit 3 where the evidence has restrictions",
    "--json             the result as JSON",
    "",
    "Exit: 0 nothing is missing, or what is missing is explained; 1 findings, invalid evidence, or failed; 2 usage; 3 the evidence is not",
    "verifiable under this policy.",
  ].join("\n"),
  takes: Infinity,
  options: {
    policy: { type: "string" },
    from: { type: "string" },
    to: { type: "string" },
    zone: { type: "string" },
    stream: { type: "string", multiple: true },
    late: { type: "string" },
    output: { type: "string", short: "o" },
    certificate: { type: "string" },
    key: { type: "string" },
    name: { type: "string" },
    at: { type: "string" },
    strict: { type: "boolean" },
    json: { type: "boolean" },
  },
  async run({ values, positionals: [evidence, ...more] }) {
    if (evidence === undefined) throw new UsageError("name one case or bundle");
    const question = readQuestion(values, more);
    const certifier = readCertifier(values);
    const output = outputOf(values);
    const policyFile = required(values, "policy");
    const policy = await readPolicy(values);
    const progress = terminalProgress("coverage");
    const means = { policy, provider: bestProvider(), hash: nodeSha256, progress };
    const facts = await openFacts(evidence, means);
    const beside = output === undefined ? undefined : await makeBeside(output);
    try {
      const files = beside === undefined ? undefined : new CoverageFiles(beside);
      const { streams, ...asked } = question;
      const { body, faults } = coverFacts(facts.db, {
        ...asked,
        streams: streams ?? askedOf(facts),
        scopes: await claimedBy(facts),
        write: (finding) => files?.add(finding),
        writeStream: (stream) => files?.stream(stream),
        progress: (done, of) => progress.update(done, of, "streams"),
      });
      progress.done();
      const result = resultOf(
        facts,
        body,
        faults,
        await policyInput(policyFile),
        repeatOf(values, facts, policyFile),
      );
      const text = resultText(result);
      if (beside !== undefined && output !== undefined) {
        files?.end();
        await writeFile(resolve(beside, "result.json"), text, { flag: "wx", flush: true });
        await syncDirectory(beside);
        await rename(beside, output);
        await syncDirectory(dirname(resolve(output)));
        process.stderr.write(`tally-audit coverage: ${output}: written\n`);
      }
      if (certifier !== undefined) await certify(result, question, certifier);
      process.stdout.write(values["json"] === true ? text : coverageText(result, facts.name));
      return faults > 0 ? 1 : exitCode(result, values["strict"] === true);
    } finally {
      progress.done();
      facts.close();
      if (beside !== undefined) await rm(beside, { recursive: true, force: true });
    }
  },
};

type Question = {
  readonly zone: Zone;
  readonly from: number;
  readonly to: number;
  readonly lateAfterS: number;
  readonly streams: readonly Asked[] | null;
};

function readQuestion(values: Arguments["values"], more: readonly string[]): Question {
  const zone = zoneOf(required(values, "zone"));
  const [from, to] = [instantOf(values, "from", zone), instantOf(values, "to", zone)];
  if (from >= to) throw new UsageError("--from must be before --to");
  if (to - from > MAX_PERIOD_S) throw new UsageError("a period is of ten years at most");
  const given = values["stream"];
  const texts = [...(Array.isArray(given) ? given : []).map(String), ...more];
  return {
    zone,
    from,
    to,
    lateAfterS: lateOf(values),
    streams: texts.length === 0 ? null : texts.map(streamOf),
  };
}

const MAX_PERIOD_S = 3660 * 86_400;

function zoneOf(name: string): Zone {
  try {
    return new Zone(name);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new UsageError(`--zone ${name}: ${error.message}`);
  }
}

const ADVICE = {
  malformed: "give a time as 2026-11-01 or 2026-11-01T06:00:00+01:00",
  skipped: "no clock of this zone showed that: it was set forward over it",
  ambiguous: "the clocks of this zone showed that twice: give its offset, e.g. +01:00",
} as const;

function instantOf(values: Arguments["values"], name: "from" | "to", zone: Zone): number {
  const text = required(values, name);
  const read = readInstant(zone, text);
  if ("fault" in read) throw new UsageError(`--${name} ${text}: ${ADVICE[read.fault]}`);
  return read.at;
}

const UNITS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;

function lateOf(values: Arguments["values"]): number {
  const text = typeof values["late"] === "string" ? values["late"] : DEFAULT_LATE;
  const [, count = "", unit = ""] = /^(\d{1,9})([smhd])$/.exec(text) ?? [];
  if (count === "") throw new UsageError(`--late ${text}: give a time as 90s, 15m, 6h or 7d`);
  return Number(count) * UNITS[unit as keyof typeof UNITS];
}

function streamOf(text: string): Asked {
  try {
    return parseAsked(text);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new UsageError(`--stream ${text}: ${error.message}: give ORG/DEVICE/STREAM`);
  }
}

/** What a case was taken of; null for a bundle. */
const askedOf = ({ files }: Facts): readonly Asked[] | null =>
  files === null ? null : files.manifest.streams;

const MAX_POLICY_BYTES = 1 << 20;

async function policyInput(file: string): Promise<ResultInput> {
  const bytes = (await readBounded(file, MAX_POLICY_BYTES, file)) ?? new Uint8Array();
  return { role: "policy", name: basename(file), sha256: toHex(nodeSha256(bytes)), bytes: bytes.length };
}

/** The same question again, by the files' own names. */
function repeatOf(values: Arguments["values"], { name }: Facts, policyFile: string): string {
  const streams = values["stream"];
  const late = values["late"];
  return [
    `tally-audit coverage ${name} --policy ${basename(policyFile)}`,
    `--from ${String(values["from"])} --to ${String(values["to"])} --zone ${String(values["zone"])}`,
    ...(Array.isArray(streams) ? streams.map((one) => `--stream ${String(one)}`) : []),
    ...(typeof late === "string" ? [`--late ${late}`] : []),
    "-o FOLDER",
  ].join(" ");
}

function resultOf(
  { judgement, kind, name, sha256, bytes, log }: Facts,
  body: CoverageBody,
  faults: number,
  policy: ResultInput,
  repeat: string,
): Result<CoverageBody> {
  const { verdict, code, checks, restrictions } = judgement;
  return {
    v: 1,
    kind: "coverage",
    tool: TOOL,
    verdict,
    ...(code === undefined ? {} : { code }),
    findings: faults,
    log: log ?? { origin: "", size: 0, root: "" },
    inputs: [{ role: kind, name, sha256, bytes }, policy],
    checks,
    restrictions,
    notProven: ["sensor-truth", "key-theft", "metering-law", "commit-clock", "after-heads", "outside-scope"],
    repeat: [repeat],
    body,
  };
}
