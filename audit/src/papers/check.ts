/**
 * The verdict on working papers: who signed, and whether the folder is what they signed.
 *
 * @module
 */
import { join } from "node:path";
import {
  equalBytes,
  EvidenceError,
  isEvidenceError,
  toHex,
  type EvidenceCode,
  type SignatureProvider,
} from "@tallystick/evidence";
import { readBounded, type Progress } from "@tallystick/evidence/node";
import type { CheckRow, Judgement } from "../judgement.ts";
import { readResult } from "../result-read.ts";
import { hashFiles, listFolder } from "./folder.ts";
import { manifestOf } from "./make.ts";
import { encodeManifest, type Manifest } from "./manifest.ts";
import { isSignedBy, auditorOf, type Auditor } from "../signed.ts";
import { MAX_FILE_BYTES, parseSignatures, type Signature, type SignatureFile } from "./signature.ts";

/** Differences that are listed; the rest are counted. */
const MAX_LISTED = 20;

type Means = {
  readonly auditors: readonly Auditor[];
  readonly provider: SignatureProvider;
  readonly progress: Progress;
};
export type PapersVerdict = { readonly judgement: Judgement; readonly says: readonly string[] };

/** `FOLDER.sig`, beside the folder. */
export const signatureOf = (folder: string): string => `${folder.replace(/[/\\]+$/, "")}.sig`;

/** @throws EvidenceError `unreachable`, `too-large` */
export async function readSignatureFile(file: string): Promise<Uint8Array> {
  const bytes = await readBounded(file, MAX_FILE_BYTES, file);
  if (bytes === undefined)
    throw new EvidenceError("unreachable", `${file}: no such file: sign the folder first`);
  return bytes;
}

/**
 * Judges a folder and the file of signatures beside it. Whatever is wrong with either is the verdict `invalid` with its code.
 *
 * Checks: `papers-format`, `papers-signer`, `papers-countersigners`, `papers-files`, `papers-result`. Each auditor that is named must have signed.
 */
export async function checkPapers(folder: string, file: Uint8Array, means: Means): Promise<PapersVerdict> {
  const rows: CheckRow[] = [];
  let parsed: SignatureFile;
  try {
    parsed = parseSignatures(file);
    rows.push({ name: "papers-format", result: "passed" });
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    rows.push({ name: "papers-format", result: "failed", code: error.code, reason: error.message });
    return { judgement: judged(rows), says: [] };
  }
  rows.push(signerRow(parsed.first, "papers-signer", means));
  for (const one of parsed.counter) rows.push(signerRow(one, "papers-countersigners", means));
  rows.push(...missingAuditors(parsed, means.auditors));
  rows.push(...(await fileRows(folder, parsed.manifest, means.progress)));
  if (rows.every(({ name, result }) => name !== "papers-files" || result === "passed"))
    rows.push(await resultRow(folder, parsed));
  return { judgement: judged(rows), says: saysOf(parsed) };
}

function signerRow(signature: Signature, name: string, { auditors, provider }: Means): CheckRow {
  const auditor = auditorOf(signature, auditors);
  const who = `${signature.name}, ${signature.claims.role}, key ${toHex(signature.kid)}`;
  if (auditor === undefined)
    return {
      name,
      result: "not-done",
      code: "key-unknown",
      reason: `${who}: none of the auditors that you named`,
    };
  return isSignedBy(signature, auditor, provider)
    ? { name, result: "passed", reason: who }
    : { name, result: "failed", code: "signature-invalid", reason: who };
}

const missingAuditors = ({ first, counter }: SignatureFile, auditors: readonly Auditor[]): CheckRow[] =>
  auditors
    .filter((one) => ![first, ...counter].some((signature) => auditorOf(signature, [one]) !== undefined))
    .map(({ name }) => ({
      name: "papers-countersigners",
      result: "not-done",
      code: "auditor-missing",
      reason: `${name} has not signed`,
    }));

async function fileRows(folder: string, { files }: Manifest, progress: Progress): Promise<CheckRow[]> {
  try {
    const { names, others } = await listFolder(folder);
    const signed = new Map(files.map((one) => [one.name, one]));
    const here = new Set(names);
    const faults = [
      ...files.filter((one) => !here.has(one.name)).map((one) => `${one.name} is missing`),
      ...[...names.filter((name) => !signed.has(name)), ...others].map((name) => `${name} was not signed`),
    ];
    const both = names.filter((name) => signed.has(name));
    for (const { name, bytes, hash } of await hashFiles(folder, both, progress)) {
      const one = signed.get(name);
      if (one === undefined || one.bytes !== bytes || !equalBytes(one.hash, hash))
        faults.push(`${name} has other bytes`);
    }
    if (faults.length === 0)
      return [{ name: "papers-files", result: "passed", reason: `${files.length} files, byte by byte` }];
    const more = faults.length - MAX_LISTED;
    const reason = `${faults.slice(0, MAX_LISTED).join("; ")}${more > 0 ? `; and ${more} more` : ""}`;
    return [{ name: "papers-files", result: "failed", code: "papers-mismatch", reason }];
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return [{ name: "papers-files", result: "failed", code: error.code, reason: error.message }];
  }
}

/** The manifest repeats the result's inputs: they must be those of the very file that was signed. */
async function resultRow(folder: string, { manifest, first }: SignatureFile): Promise<CheckRow> {
  const name = "papers-result";
  try {
    const { result } = await readResult(join(folder, "result.json"));
    const again = encodeManifest(manifestOf(result, manifest.files, manifest.tool.hash));
    if (equalBytes(again, first.payload)) return { name, result: "passed", reason: manifest.kind };
    return {
      name,
      result: "failed",
      code: "papers-mismatch",
      reason: "result.json says otherwise than the manifest",
    };
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return { name, result: "failed", code: error.code, reason: error.message };
  }
}

/** Wrong before missing; a countersigner whom nobody named takes nothing from the verdict. */
function judged(checks: readonly CheckRow[]): Judgement {
  const failed = checks.find(({ result }) => result === "failed")?.code;
  if (failed !== undefined) return { verdict: "invalid", code: failed, restrictions: [], checks };
  const missing: EvidenceCode | undefined = checks.find(
    ({ name, code }) => code === "auditor-missing" || (name === "papers-signer" && code !== undefined),
  )?.code;
  if (missing !== undefined) return { verdict: "not-verifiable", code: missing, restrictions: [], checks };
  return { verdict: "verified", restrictions: [], checks };
}

function saysOf({ manifest, first, counter }: SignatureFile): string[] {
  const { kind, verdict, tool, log, inputs } = manifest;
  const line = ({ name, claims }: Signature): string =>
    `${claims.role}: ${name}, at ${iso(claims.atUnixS)} as the signer says`;
  return [
    `${kind}: ${verdict}; the result in the folder`,
    `made with ${tool.name} ${tool.version}, source ${toHex(tool.hash)}`,
    `log ${log.origin} at size ${log.size}`,
    ...inputs.map(({ role, name, hash }) => `${role} ${name}: ${toHex(hash)}`),
    line(first),
    ...counter.map(line),
  ];
}

const iso = (unixS: number): string => {
  const date = new Date(unixS * 1000);
  return Number.isNaN(date.getTime()) ? `${unixS} s` : date.toISOString();
};
