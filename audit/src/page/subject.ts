/**
 * What a report is made of: a result, or evidence that is verified here and now.
 *
 * @module
 */
import { statSync } from "node:fs";
import { basename, join } from "node:path";
import {
  decodeBundle,
  isBundle,
  isEvidenceError,
  parseCheckpoint,
  parseNote,
  toHex,
  verify,
  type TrustPolicy,
} from "@tallystick/evidence";
import { createNodeProvider, nodeSha256, UsageError, type Arguments } from "@tallystick/evidence/node";
import { readPolicy } from "../commands/policy.ts";
import type { Judgement } from "../judgement.ts";
import { readEvidence } from "../log/given.ts";
import { TOOL } from "../papers/tool.ts";
import { readResult } from "../result-read.ts";
import type { Result, ResultInput } from "../result.ts";
import { chainTimes } from "../verify/times.ts";
import type { Page, Section } from "./block.ts";
import { viewOfBundle } from "./from-bundle.ts";
import { evidenceSections } from "./of-evidence.ts";
import { reconcileSections } from "./of-reconcile.ts";
import { pageOf, type Head } from "./of-result.ts";
import type { Words } from "./words.ts";

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
  if (isFolder(input)) return ofResult(join(input, "result.json"), words);
  if (input.endsWith(".json")) return ofResult(input, words);
  return ofBundle(input, values, words);
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;

async function ofResult(file: string, words: Words): Promise<Subject> {
  const { result, bytes } = await readResult(file);
  const page = pageOf(
    result,
    result.inputs.map(({ name }) => name).join(", "),
    sectionsOf(result, words),
    words,
  );
  return { page, judgement: result, inputs: toHex(nodeSha256(bytes)) };
}

function sectionsOf({ kind, body }: Result, words: Words): Section[] {
  switch (kind) {
    case "reconcile":
      return reconcileSections(body, words);
    case "coverage":
    case "sample":
    case "verify":
      return [];
  }
}

async function ofBundle(file: string, values: Arguments["values"], words: Words): Promise<Subject> {
  const bytes = await readEvidence(file);
  if (!isBundle(bytes)) throw new UsageError(`${file}: neither a result.json, a case nor a bundle (.tally)`);
  const policy = await readPolicy(values);
  const judgement = verify(bytes, { policy, provider: createNodeProvider(), hash: nodeSha256 });
  const policyFile = String(values["policy"]);
  const inputs = [
    inputOf("bundle", file, bytes),
    inputOf("policy", policyFile, await readEvidence(policyFile)),
  ];
  const name = basename(file);
  const head: Head = {
    kind: "verify",
    tool: TOOL,
    ...judgement,
    findings: 0,
    log: logOfBundle(bytes),
    inputs,
    notProven: ["commit-clock", "outside-scope"],
    repeat: [
      `tally-audit verify ${name} --policy ${basename(policyFile)}`,
      `tally-audit report ${name} --policy ${basename(policyFile)} --lang ${words.language} -o PAGE`,
    ],
  };
  const page = pageOf(head, name, evidenceOf(bytes, policy, judgement, words), words);
  return { page, judgement, inputs: JSON.stringify(inputs) };
}

/** Nothing is shown of what is invalid: whoever reads values would believe them. */
function evidenceOf(bytes: Uint8Array, policy: TrustPolicy, judgement: Judgement, words: Words): Section[] {
  if (judgement.verdict === "invalid") return [];
  const view = viewOfBundle(bytes, policy, chainTimes(bytes, judgement));
  return evidenceSections(view, words, judgement.verdict !== "not-verifiable");
}

const inputOf = (role: ResultInput["role"], file: string, bytes: Uint8Array): ResultInput => ({
  role,
  name: basename(file),
  sha256: toHex(nodeSha256(bytes)),
  bytes: bytes.length,
});

/** As the file names it; empty where it doesn't parse. */
function logOfBundle(bytes: Uint8Array): Head["log"] {
  try {
    const [log] = decodeBundle(bytes).logs;
    if (log !== undefined) {
      const { origin, size, root } = parseCheckpoint(parseNote(log.checkpoint).text);
      return { origin, size, root: toHex(root) };
    }
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
  }
  return { origin: "", size: 0, root: "" };
}
