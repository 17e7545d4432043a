/**
 * `tally-audit bundle URL|CASE`: collects evidence into one file for a stranger, from an anchor or out of a case, and verifies it before it is written.
 *
 * @module
 */
import { existsSync } from "node:fs";
import process from "node:process";
import { encodeBundle, isEvidenceError, verify, type Bundle } from "@tallystick/evidence";
import {
  nodeSha256,
  required,
  UsageError,
  writeDurable,
  type Arguments,
  type Command,
  isUrl,
  openPlace,
  terminalProgress,
} from "@tallystick/evidence/node";
import { buildBundles } from "../bundle/over-logs.ts";
import { parseInstant, parseSeqs, parseStream, type Period, type StreamName } from "../bundle/period.ts";
import { idsOfHashes, idsOfStreams } from "../case/choose.ts";
import { BundleCutter } from "../case/cut.ts";
import { openFacts, type FactsMeans } from "../facts/open.ts";
import { exitCode, type Judgement } from "../judgement.ts";
import { bestProvider } from "../provider.ts";
import { jsonLine, textReport } from "../report.ts";
import { summarize } from "../verify/summary.ts";
import { chainTimes } from "../verify/times.ts";
import { readPolicy } from "./policy.ts";
import { cannotTell } from "./output.ts";

/** More successors than a log will have. */
const MAX_LOGS = 16;

export const bundle: Command = {
  summary: "collects the evidence of streams and a period into one file, verified before it is written",
  usage:
    "URL…|CASE --policy FILE --stream ORG/DEVICE/STREAM… [--from TIME] [--to TIME] [--seq A..B] [--hash HASH…] -o FILE [--strict] [--json]",
  details: [
    "URL…               the anchor's address, e.g. http://127.0.0.1:8080/; of a log that another one succeeded, and of that one, the oldest first",
    "CASE               a case or a bundle instead: what is chosen is cut out of it, and nothing is asked of anybody",
    "--policy FILE      whom you trust: the log's key, witnesses, operators",
    "--stream S…        one or more streams, e.g. water/gw-1/meter/m-0417",
    "--from, --to TIME  RFC 3339, e.g. 2026-11-01T00:00:00+01:00: from the first on and before the second, by the",
    "                   time at which the log committed the statements (by the clock of its operator)",
    "--seq A..B         by sequence number instead, both ends included",
    "--hash HASH…       of a case: these statements",
    "-o FILE            the bundle; at most 64 MiB",
    "--strict           exit 3 where there are restrictions",
    "--json             the verdict as one JSON object",
    "",
    "The end is moved on to the next statement that the device confirmed as its last, so that nothing can be cut off there.",
    "Exit: 0 written, 1 invalid and not written, or failed, 2 usage, 3 written but not verifiable under this policy, or no answer.",
  ].join("\n"),
  takes: Infinity,
  options: {
    policy: { type: "string" },
    stream: { type: "string", multiple: true },
    from: { type: "string" },
    to: { type: "string" },
    seq: { type: "string" },
    hash: { type: "string", multiple: true },
    output: { type: "string", short: "o" },
    strict: { type: "boolean" },
    json: { type: "boolean" },
  },
  async run({ values, positionals }) {
    const addresses = [...new Set(positionals.filter(isUrl))];
    const more = positionals.filter((one) => !isUrl(one));
    const [first] = positionals;
    const input = first !== undefined && !isUrl(first) && existsSync(first) ? first : undefined;
    if (addresses.length === 0 && input === undefined)
      throw new UsageError("give the anchor's address, http://… or https://…, or a case");
    if (addresses.length > MAX_LOGS) throw new UsageError(`${MAX_LOGS} logs at most`);
    const output = required(values, "output");
    const hashes = readHashes(values, input);
    const streams = hashes.length > 0 ? [] : readStreams(values, input === undefined ? more : more.slice(1));
    const period = readPeriod(values);
    const policy = await readPolicy(values);
    const provider = bestProvider();
    const progress = terminalProgress("bundle");
    try {
      const means = { streams, period, policy, provider, hash: nodeSha256, progress };
      const made =
        input === undefined
          ? await buildBundles(addresses.map(openPlace), means)
          : await cutOut(input, hashes, means);
      const bytes = encodeBundle(made);
      progress.done();
      const judgement = verify(bytes, { policy, provider, hash: nodeSha256 });
      if (judgement.verdict !== "invalid") await writeDurable(output, bytes);
      report(values, output, judgement, bytes, provider.name);
      return exitCode(judgement, values["strict"] === true);
    } catch (error) {
      return cannotTell("bundle", error);
    } finally {
      progress.done();
    }
  },
};

/** What was chosen, out of a case or a bundle. */
async function cutOut(
  input: string,
  hashes: readonly string[],
  {
    streams,
    period,
    ...means
  }: FactsMeans & { readonly streams: readonly StreamName[]; readonly period: Period },
): Promise<Bundle> {
  const facts = await openFacts(input, means);
  try {
    const ids = hashes.length > 0 ? idsOfHashes(facts.db, hashes) : idsOfStreams(facts.db, streams, period);
    return await (await BundleCutter.open(facts, means)).cut(ids);
  } finally {
    facts.close();
  }
}

function readHashes(values: Arguments["values"], input: string | undefined): string[] {
  const given = values["hash"];
  if (!Array.isArray(given)) return [];
  if (input === undefined) throw new UsageError("--hash chooses statements of a case: give one");
  return given.map((hash) => {
    if (typeof hash === "string" && /^[0-9a-f]{64}$/.test(hash)) return hash;
    throw new UsageError(`--hash ${String(hash)}: give the 64 hexadecimal digits of a statement's hash`);
  });
}

function report(
  values: Arguments["values"],
  output: string,
  judgement: Judgement,
  bytes: Uint8Array,
  provider: string,
): void {
  const refused = judgement.verdict === "invalid";
  const times = refused ? [] : chainTimes(bytes, judgement);
  const says = refused ? [] : summarize(bytes, times);
  process.stdout.write(
    values["json"] === true
      ? jsonLine(output, judgement, times, { provider })
      : textReport(output, judgement, says),
  );
  const done = refused ? "not written: what was given is invalid" : `written, ${bytes.length} bytes`;
  process.stderr.write(`tally-audit bundle: ${output}: ${done}\n`);
}

function readStreams(values: Arguments["values"], more: readonly string[]): StreamName[] {
  const given = values["stream"];
  const texts = [...(Array.isArray(given) ? given : []).map(String), ...more];
  if (texts.length === 0) throw new UsageError("--stream is missing: give ORG/DEVICE/STREAM");
  return [...new Set(texts)].map((text) => {
    try {
      return parseStream(text);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      throw new UsageError(`--stream ${text}: ${error.message}: give ORG/DEVICE/STREAM`);
    }
  });
}

function readPeriod(values: Arguments["values"]): Period {
  const { from, to, seq } = values;
  if (typeof seq === "string") {
    if (from !== undefined || to !== undefined)
      throw new UsageError("give --seq, or --from and --to, not both");
    const period = parseSeqs(seq);
    if (period === undefined) throw new UsageError(`--seq ${seq}: give two numbers, A..B`);
    return period;
  }
  const instant = (name: "from" | "to", otherwise: number): number => {
    const text = values[name];
    if (typeof text !== "string") return otherwise;
    const seconds = parseInstant(text);
    if (seconds === undefined)
      throw new UsageError(`--${name} ${text}: give a time as 2026-11-01T00:00:00+01:00`);
    return seconds;
  };
  const [fromS, toS] = [instant("from", 0), instant("to", Infinity)];
  if (fromS >= toS) throw new UsageError("--from must be before --to");
  return { by: "time", fromS, toS };
}
