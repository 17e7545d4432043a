/**
 * `tally-audit verify FILE…`: the verdict on each statement, transparent statement or bundle.
 *
 * @module
 */
import { stat } from "node:fs/promises";
import process from "node:process";
import {
  EvidenceError,
  isBundle,
  isEvidenceError,
  verify,
  type RegistryCopy,
  type TrustPolicy,
} from "@tallystick/evidence";
import {
  nodeSha256,
  UsageError,
  type Arguments,
  type Command,
  openPlace,
  terminalProgress,
} from "@tallystick/evidence/node";
import { isFolder } from "../case/folder.ts";
import { openFacts } from "../facts/open.ts";
import { summarizeFacts } from "../facts/summary.ts";
import { exitCode, worst, type Judgement } from "../judgement.ts";
import { readEvidence } from "../log/given.ts";
import { bestProvider } from "../provider.ts";
import { jsonLine, textReport } from "../report.ts";
import { hint } from "../verify/hint.ts";
import { loadRegistry } from "../verify/registry-copy.ts";
import { summarize } from "../verify/summary.ts";
import { chainTimes, type ChainTimes } from "../verify/times.ts";
import { verifyCertificate } from "./certificate.ts";
import { verifyPapers } from "./papers.ts";
import { readPolicy } from "./policy.ts";

export const verifyFiles: Command = {
  summary:
    "the verdict on each statement, transparent statement, bundle or case, or on signed working papers",
  usage:
    "FILE|CASE… --policy FILE [--log DIR|URL] [--strict] [--json], or FOLDER|CERTIFICATE… --auditor VKEY… [--json]",
  details: [
    "--policy FILE   whom you trust: the log's key, witnesses, operators",
    "--log DIR|URL   the log's public directory: brings the registry for statements outside a bundle",
    "--auditor VKEY  of a folder of working papers: who must have signed FOLDER.sig; of a completeness certificate: who may have",
    "                signed it; a verifier key, or a file that holds one; once for each",
    "--strict        exit 3 where there are restrictions",
    "--json          one JSON object a file, each on its line",
    "",
    "Exit: 0 verified (restrictions included), 1 invalid, 2 usage, 3 not verifiable; of several files the worst: 1, then 3, then 0.",
  ].join("\n"),
  takes: Infinity,
  options: {
    policy: { type: "string" },
    log: { type: "string" },
    auditor: { type: "string", multiple: true },
    strict: { type: "boolean" },
    json: { type: "boolean" },
  },
  async run({ values, positionals: files }) {
    if (files.length === 0) throw new UsageError("name at least one file");
    if (values["auditor"] !== undefined) return verifySigned(files, values);
    const policy = await readPolicy(values);
    const place = values["log"];
    let copy: Promise<RegistryCopy> | undefined;
    // Read when the first file needs it: a bundle brings its own.
    const registry = (): Promise<RegistryCopy> | undefined =>
      typeof place === "string" ? (copy ??= copyOf(place)) : undefined;
    const codes: (0 | 1 | 3)[] = [];
    for (const file of files) {
      const { judgement, says, times } = await judge(file, policy, registry);
      process.stdout.write(
        values["json"] === true
          ? jsonLine(file, judgement, times, { provider: PROVIDER.name })
          : textReport(file, judgement, says),
      );
      codes.push(exitCode(judgement, values["strict"] === true));
    }
    return worst(codes);
  },
};

/** What an auditor signed: folders of working papers, and certificates. */
async function verifySigned(files: readonly string[], values: Arguments["values"]): Promise<0 | 1 | 3> {
  const codes: (0 | 1 | 3)[] = [];
  for (const file of files) {
    codes.push(
      (await isFile(file)) ? await verifyCertificate(file, values) : await verifyPapers([file], values),
    );
  }
  return worst(codes);
}

const isFile = async (path: string): Promise<boolean> =>
  (await stat(path).catch(() => undefined))?.isFile() === true;

async function judge(
  file: string,
  policy: TrustPolicy,
  registryOf: () => Promise<RegistryCopy> | undefined,
): Promise<{ judgement: Judgement; says: readonly string[]; times: readonly ChainTimes[] }> {
  let bytes: Uint8Array;
  try {
    if (await isFolder(file)) return await judgeCase(file, policy);
    bytes = await readEvidence(file);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    const { code, message } = error;
    const checks = [{ name: "file", result: "failed", code, reason: message } as const];
    return { judgement: { verdict: "invalid", code, restrictions: [], checks }, says: [], times: [] };
  }
  const registry = isBundle(bytes) ? undefined : await registryOf();
  const options = { policy, provider: PROVIDER, hash: nodeSha256 };
  const judgement = hinted(verify(bytes, registry === undefined ? options : { ...options, registry }), bytes);
  const times = isBundle(bytes) ? chainTimes(bytes, judgement) : [];
  return { judgement, says: judgement.verdict === "invalid" ? [] : summarize(bytes, times), times };
}

/** A case: what it finds is kept, so that later verbs need not verify it again. */
async function judgeCase(
  folder: string,
  policy: TrustPolicy,
): Promise<{ judgement: Judgement; says: readonly string[]; times: readonly ChainTimes[] }> {
  const progress = terminalProgress("verify");
  try {
    const facts = await openFacts(folder, { policy, provider: PROVIDER, hash: nodeSha256, progress });
    const says = summarizeFacts(facts);
    facts.close();
    return { judgement: facts.judgement, says, times: [] };
  } finally {
    progress.done();
  }
}

/** Adds to a fault of form what the file seems to be. */
function hinted(judgement: Judgement, bytes: Uint8Array): Judgement {
  const what = hint(bytes);
  if (what === undefined) return judgement;
  const checks = judgement.checks.map((row) =>
    row.name === "format" && row.result === "failed"
      ? { ...row, reason: `${what} (${row.reason ?? ""})` }
      : row,
  );
  return { ...judgement, checks };
}

const PROVIDER = bestProvider();

/**
 * The registry of `--log`. A place that gives none does not spoil the verdict on evidence that needs none: whatever asks for it is told.
 */
async function copyOf(text: string): Promise<RegistryCopy> {
  const progress = terminalProgress("registry");
  try {
    return await loadRegistry(openPlace(text), { provider: PROVIDER, hash: nodeSha256, progress });
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    const { message } = error;
    return {
      at() {
        throw new EvidenceError("registry-missing", `the registry of ${text} could not be read: ${message}`);
      },
      hashOf: () => undefined,
    };
  } finally {
    progress.done();
  }
}
