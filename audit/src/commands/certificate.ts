/**
 * The completeness certificate, as commands make and judge it.
 *
 * @module
 */
import process from "node:process";
import { formatVkey, type Signer } from "@tallystick/evidence";
import {
  createNodeProvider,
  loadSigner,
  required,
  UsageError,
  writeDurable,
  type Arguments,
} from "@tallystick/evidence/node";
import { parseInstant } from "../bundle/period.ts";
import { judgeCertificate } from "../certificate/judge.ts";
import { certificateOf } from "../certificate/make.ts";
import { sealCertificate, type Certifier } from "../certificate/seal.ts";
import { certificateJson, certificateLines } from "../certificate/text.ts";
import type { CoverageBody } from "../coverage/body.ts";
import { exitCode } from "../judgement.ts";
import { readEvidence } from "../log/given.ts";
import { textReport } from "../report.ts";
import type { Result } from "../result.ts";
import { readAuditors } from "./auditors.ts";

export type CertifyMeans = Certifier & { readonly file: string; readonly signer: Signer };

/** `--certificate`, `--key`, `--name`, `--at`; undefined where no certificate is asked for. @throws UsageError */
export function readCertifier(values: Arguments["values"]): CertifyMeans | undefined {
  const file = values["certificate"];
  if (typeof file !== "string") {
    if (values["key"] !== undefined) throw new UsageError("--key is for --certificate FILE");
    return undefined;
  }
  const at = values["at"];
  const atUnixS = typeof at === "string" ? parseInstant(at) : null;
  if (atUnixS === undefined || (atUnixS !== null && (atUnixS < 0 || !Number.isInteger(atUnixS))))
    throw new UsageError(`--at ${String(at)}: give a time as 2026-11-01T00:00:00Z`);
  return { file, name: required(values, "name"), atUnixS, signer: loadSigner(required(values, "key")) };
}

/** @throws EvidenceError where the evidence is invalid or not verifiable, and what {@link sealCertificate} throws */
export async function certify(
  result: Result<CoverageBody>,
  period: { readonly from: number; readonly to: number },
  { file, name, atUnixS, signer }: CertifyMeans,
): Promise<void> {
  const certificate = certificateOf(result, { from: period.from, to: period.to });
  const bytes = await sealCertificate(certificate, { name, atUnixS }, signer);
  await writeDurable(file, bytes);
  process.stderr.write(
    `tally-audit coverage: ${file}: written, ${bytes.length} bytes, signed as ${formatVkey(name, signer.key)}\n`,
  );
}

/**
 * The verdict on a certificate: whether an auditor that is named signed it, and what it says. It is believed as far as the auditor is; the evidence
 * that it names is verified apart from it.
 */
export async function verifyCertificate(file: string, values: Arguments["values"]): Promise<0 | 1 | 3> {
  const { judgement, sealed } = judgeCertificate(
    await readEvidence(file),
    await readAuditors(values),
    createNodeProvider(),
  );
  if (values["json"] === true) {
    const { verdict, code, restrictions, checks } = judgement;
    const content = sealed === undefined ? {} : { certificate: certificateJson(sealed) };
    const known = code === undefined ? {} : { code };
    process.stdout.write(
      `${JSON.stringify({ file, verdict, ...known, restrictions, checks, ...content })}\n`,
    );
  } else {
    process.stdout.write(textReport(file, judgement, sealed === undefined ? [] : certificateLines(sealed)));
  }
  return exitCode(judgement, values["strict"] === true);
}
