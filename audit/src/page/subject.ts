/**
 * What a report is made of: a result, or evidence or a certificate that is verified here and now.
 *
 * @module
 */
import { existsSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { formatVkey, toHex, type TrustPolicy } from "@tallystick/evidence";
import {
  createNodeProvider,
  nodeSha256,
  terminalProgress,
  UsageError,
  type Arguments,
} from "@tallystick/evidence/node";
import { bestProvider } from "../provider.ts";
import { judgeCertificate } from "../certificate/judge.ts";
import { isCertificate } from "../certificate/seal.ts";
import { readAuditors } from "../commands/auditors.ts";
import { readPolicy } from "../commands/policy.ts";
import { claimedBy } from "../facts/claimed.ts";
import { openFacts, type Facts } from "../facts/open.ts";
import type { Judgement } from "../judgement.ts";
import { readEvidence } from "../log/given.ts";
import { TOOL } from "../papers/tool.ts";
import { readResult } from "../result-read.ts";
import type { Result, ResultInput } from "../result.ts";
import type { Page, Section } from "./block.ts";
import { doubtsOf, viewOfFacts } from "./from-facts.ts";
import { certificateSections, certifiedVerdict } from "./of-certificate.ts";
import { coverageSections } from "./of-coverage.ts";
import { doubtSections, evidenceSections } from "./of-evidence.ts";
import { reconcileSections } from "./of-reconcile.ts";
import { pageOf, type Head } from "./of-result.ts";
import { sampleSections } from "./of-sample.ts";
import type { Words } from "./words.ts";

/** Either of them makes a folder a case. */
const CASE_FILES = ["case.json", "SHA256SUMS"];

/** `inputs`: what the page follows from, as text. */
export type Subject = {
  readonly page: Page;
  readonly judgement: Pick<Judgement, "verdict"> & Judgement;
  readonly inputs: string;
};

/**
 * @throws EvidenceError `result-malformed`, `unreachable`, `too-large`
 * @throws UsageError where evidence comes without a policy
 */
export async function subjectOf(input: string, values: Arguments["values"], words: Words): Promise<Subject> {
  if (input.endsWith(".json")) return ofResult(input, words);
  // hostile: a result that was put into a case must not stand for what the case is
  const isCase = CASE_FILES.some((name) => existsSync(join(input, name)));
  if (isFile(input)) {
    const bytes = await readEvidence(input);
    if (isCertificate(bytes)) return ofCertificate(input, bytes, values, words);
  }
  const inside = join(input, "result.json");
  return !isCase && existsSync(inside) ? ofResult(inside, words) : ofEvidence(input, values, words);
}

const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

/** A certificate is believed as far as its signer is: without a name of one nobody's is shown. */
async function ofCertificate(
  input: string,
  bytes: Uint8Array,
  values: Arguments["values"],
  words: Words,
): Promise<Subject> {
  const auditors = await readAuditors(values);
  if (auditors.length === 0)
    throw new UsageError(`${input}: give --auditor VKEY: whose certificates you believe`);
  const { judgement, sealed } = judgeCertificate(bytes, auditors, createNodeProvider());
  const name = basename(input);
  const sha256 = toHex(nodeSha256(bytes));
  const log = sealed?.certificate.log;
  const head: Head = {
    kind: "verify",
    tool: TOOL,
    ...judgement,
    findings: 0,
    log: { origin: log?.origin ?? "", size: log?.size ?? 0, root: toHex(log?.root ?? new Uint8Array()) },
    inputs: [{ role: "certificate", name, sha256, bytes: bytes.length }],
    notProven: ["commit-clock", "outside-scope", "after-heads"],
    repeat: auditors.map(
      ({ key, name: whose }) => `tally-audit verify ${name} --auditor '${formatVkey(whose, key)}'`,
    ),
  };
  // Of what is wrong nothing is shown: whoever reads it would believe it.
  const own =
    judgement.verdict === "invalid" || sealed === undefined ? [] : certificateSections(sealed, words);
  const made = { ...pageOf(head, name, own, words), title: words.titles.certificate };
  const isGood = judgement.verdict === "verified" && sealed !== undefined;
  const page = isGood ? { ...made, verdict: certifiedVerdict(sealed, words) } : made;
  return { page, judgement, inputs: sha256 };
}

async function ofResult(file: string, words: Words): Promise<Subject> {
  const { result, bytes } = await readResult(file);
  const about = result.inputs.map(({ name }) => name).join(", ");
  const made = pageOf(result, about, sectionsOf(result, words), words);
  const lines = [...made.verdict.lines, words.says.asHandedOver];
  const page = { ...made, verdict: { ...made.verdict, lines } };
  return { page, judgement: result, inputs: toHex(nodeSha256(bytes)) };
}

function sectionsOf({ kind, body }: Result, words: Words): Section[] {
  switch (kind) {
    case "reconcile":
      return reconcileSections(body, words);
    case "coverage":
      return coverageSections(body, words);
    case "sample":
      return sampleSections(body, words);
    case "verify":
      return [];
  }
}

async function ofEvidence(input: string, values: Arguments["values"], words: Words): Promise<Subject> {
  const policy = await readPolicy(values);
  const progress = terminalProgress("report");
  const facts = await openFacts(input, {
    policy,
    provider: bestProvider(),
    hash: nodeSha256,
    progress,
  });
  try {
    progress.done();
    const { judgement, kind, name, sha256, bytes } = facts;
    const policyFile = String(values["policy"]);
    const inputs = [
      { role: kind, name, sha256, bytes },
      policyInput(policyFile, await readEvidence(policyFile)),
    ];
    const head: Head = {
      kind: "verify",
      tool: TOOL,
      ...judgement,
      findings: 0,
      log: facts.log ?? { origin: "", size: 0, root: "" },
      inputs,
      notProven: ["commit-clock", "outside-scope"],
      repeat: [
        `tally-audit verify ${name} --policy ${basename(policyFile)}`,
        `tally-audit report ${name} --policy ${basename(policyFile)} --lang ${words.language} -o PAGE`,
      ],
    };
    const own = await evidenceOf(facts, policy, words);
    return { page: pageOf(head, name, own, words), judgement, inputs: JSON.stringify(inputs) };
  } finally {
    facts.close();
    progress.done();
  }
}

/** Of what is invalid only what is wrong is shown: whoever reads values would believe them. */
async function evidenceOf(facts: Facts, policy: TrustPolicy, words: Words): Promise<Section[]> {
  const { verdict } = facts.judgement;
  if (verdict === "invalid") return doubtSections(doubtsOf(facts.db), words);
  const isEstablished = verdict !== "not-verifiable";
  return evidenceSections(
    viewOfFacts(facts, policy, await claimedBy(facts), isEstablished),
    words,
    isEstablished,
  );
}

const policyInput = (file: string, bytes: Uint8Array): ResultInput => ({
  role: "policy",
  name: basename(file),
  sha256: toHex(nodeSha256(bytes)),
  bytes: bytes.length,
});
