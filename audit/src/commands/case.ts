/**
 * `tally-audit case URL`: takes evidence from an anchor into a frozen folder, and verifies it before the folder gets its name.
 *
 * @module
 */
import process from "node:process";
import { isEvidenceError } from "@tallystick/evidence";
import {
  HTTP_LIMITS,
  isUrl,
  nodeSha256,
  readBounded,
  required,
  terminalProgress,
  UsageError,
  type Arguments,
  type Command,
  type Progress,
} from "@tallystick/evidence/node";
import { openSourceOf, type SourceWanted } from "../case/take/open-source.ts";
import { parseToken } from "../case/take/reads.ts";
import { parseAsked, type Asked } from "../case/take/streams.ts";
import { takeCase } from "../case/take/take.ts";
import { CaseWriter } from "../case/write.ts";
import { parseInstant } from "../bundle/period.ts";
import { openFacts } from "../facts/open.ts";
import { summarizeFacts } from "../facts/summary.ts";
import { exitCode, type Judgement } from "../judgement.ts";
import { jsonLine, textReport } from "../report.ts";
import { bestProvider } from "../provider.ts";
import { readPolicy } from "./policy.ts";
import { cannotTell } from "./output.ts";

const MAX_TOKEN_BYTES = 4096;
const MAX_POLICY_BYTES = 1 << 20;

export const caseCommand: Command = {
  summary: "takes evidence from an anchor into a frozen folder that every other verb reads",
  usage:
    "URL --policy FILE --stream ORG/DEVICE/STREAM… [--from TIME] [--to TIME] -o CASE [--token-file FILE --purpose TEXT] [--at SIZE] [--strict] [--json]",
  details: [
    "URL                the anchor's address, e.g. https://anchor.example:8443/",
    "--policy FILE      whom you trust: the log's key, witnesses, operators",
    "--stream S…        streams, e.g. water/gw-1/meter/m-0417; water/*/meter/* are all meters of an org, * is all there is",
    "--from, --to TIME  RFC 3339, e.g. 2026-11-01T00:00:00+01:00: readings from the first on and before the second",
    "-o CASE            the folder; it must not be there yet",
    "--token-file FILE  the token that the anchor's operator gave you, one line; on the anchor's own machine none is needed",
    "--purpose TEXT     why you read this: it stands in the ledger for ever, so no personal data",
    "--at SIZE          at an older checkpoint of this size",
    "--strict           exit 3 where there are restrictions",
    "--json             the verdict as one JSON object",
    "",
    "Each end of the period is moved on so that no reading of it can be left out: back to the last statement sealed before it, on to the",
    "next one that the device confirmed. What the anchor has and doesn't hand over is listed in case.json.",
    "Exit: 0 written, 1 invalid (and not named, unless it is that devices contradict themselves), or failed, 2 usage, 3 written but not",
    "verifiable under this policy, or no answer.",
  ].join("\n"),
  takes: Infinity,
  options: {
    policy: { type: "string" },
    stream: { type: "string", multiple: true },
    from: { type: "string" },
    to: { type: "string" },
    output: { type: "string", short: "o" },
    "token-file": { type: "string" },
    purpose: { type: "string" },
    at: { type: "string" },
    strict: { type: "boolean" },
    json: { type: "boolean" },
  },
  async run({ values, positionals: [address, ...more] }) {
    if (address === undefined || !isUrl(address))
      throw new UsageError("give the anchor's address, http://… or https://…");
    const output = required(values, "output");
    const wanted = await readWanted(values, more);
    const policy = await readPolicy(values);
    const policyText =
      (await readBounded(required(values, "policy"), MAX_POLICY_BYTES, "the policy")) ?? new Uint8Array();
    const provider = bestProvider();
    const progress = terminalProgress("case");
    const writer = await CaseWriter.create(output);
    try {
      const source = await openSourceOf(address, wanted, {
        policy,
        provider,
        hash: nodeSha256,
        limits: HTTP_LIMITS,
      });
      const { streams, from, to, purpose } = wanted;
      const means = { policy, provider, hash: nodeSha256, progress };
      await takeCase(writer, {
        source,
        url: address,
        policyText,
        streams,
        period: { from, to },
        purpose,
        ...means,
      });
      return await judged(writer, output, values, means);
    } catch (error) {
      await writer.discard();
      return cannotTell("case", error);
    } finally {
      progress.done();
    }
  },
};

/**
 * Verifies what was taken; a case that is invalid keeps the name of a part, for whoever wants to know why. Not so one in which devices contradict
 * themselves: that is evidence, and signed by them, or one captured device could keep the evidence of a whole city from its auditor.
 */
async function judged(
  writer: CaseWriter,
  output: string,
  values: Arguments["values"],
  means: Omit<Parameters<typeof openFacts>[1], "progress"> & { readonly progress: Progress },
): Promise<0 | 1 | 3> {
  const facts = await openFacts(writer.partial, means);
  const { judgement } = facts;
  const says = isWhole(judgement) ? summarizeFacts(facts) : [];
  facts.close();
  means.progress.done();
  const good = isWhole(judgement);
  if (good) await writer.name();
  process.stdout.write(
    values["json"] === true
      ? jsonLine(output, judgement, [], { provider: means.provider.name, case: facts.sha256 })
      : textReport(output, judgement, says),
  );
  const done = good
    ? `written, ${facts.bytes} bytes, digest ${facts.sha256}`
    : `not written: what the anchor gave is invalid; it is in ${output}.partial`;
  process.stderr.write(`tally-audit case: ${output}: ${done}\n`);
  return exitCode(judgement, values["strict"] === true);
}

/** Nothing is wrong but what statements say about one another. */
const isWhole = ({ checks }: Judgement): boolean =>
  checks.every(({ name, result }) => result !== "failed" || name === "chains");

async function readWanted(values: Arguments["values"], more: readonly string[]): Promise<SourceWanted> {
  const [from, to] = [instant(values, "from"), instant(values, "to")];
  if (from !== undefined && to !== undefined && from >= to)
    throw new UsageError("--from must be before --to");
  const tokenFile = values["token-file"];
  const purpose = typeof values["purpose"] === "string" ? values["purpose"] : "";
  if (typeof tokenFile === "string" && purpose === "")
    throw new UsageError("--purpose is missing: say why you read this; the ledger keeps it");
  const at = values["at"];
  if (typeof at === "string" && !/^[1-9]\d{0,15}$/.test(at))
    throw new UsageError(`--at ${at}: give the size of a checkpoint`);
  return {
    streams: readStreams(values, more),
    from,
    to,
    purpose,
    size: typeof at === "string" ? Number(at) : undefined,
    token: typeof tokenFile === "string" ? await readToken(tokenFile) : undefined,
  };
}

async function readToken(file: string): Promise<string> {
  const bytes = await readBounded(file, MAX_TOKEN_BYTES, file);
  if (bytes === undefined) throw new UsageError(`--token-file ${file}: no such file`);
  try {
    return parseToken(bytes);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new UsageError(`--token-file ${file}: ${error.message}`);
  }
}

function readStreams(values: Arguments["values"], more: readonly string[]): Asked[] {
  const given = values["stream"];
  const texts = [...(Array.isArray(given) ? given : []).map(String), ...more];
  if (texts.length === 0) throw new UsageError("--stream is missing: give ORG/DEVICE/STREAM");
  return [...new Set(texts)].map((text) => {
    try {
      return parseAsked(text);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      throw new UsageError(
        `--stream ${text}: ${error.message}: give ORG/DEVICE/STREAM, or ORG/DEVICE/*, ORG/*/*`,
      );
    }
  });
}

/** Whole seconds: a period that begins within one begins with it. */
function instant(values: Arguments["values"], name: "from" | "to"): number | undefined {
  const text = values[name];
  if (typeof text !== "string") return undefined;
  const seconds = parseInstant(text);
  if (seconds === undefined || seconds < 0)
    throw new UsageError(`--${name} ${text}: give a time as 2026-11-01T00:00:00+01:00`);
  return name === "from" ? Math.floor(seconds) : Math.ceil(seconds);
}
