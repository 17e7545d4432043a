/**
 * `tally-audit verify FOLDER --auditor VKEY`: the verdict on signed working papers.
 *
 * @module
 */
import process from "node:process";
import { isEvidenceError } from "@tallystick/evidence";
import { createNodeProvider, terminalProgress, type Arguments } from "@tallystick/evidence/node";
import { exitCode, worst } from "../judgement.ts";
import { checkPapers, readSignatureFile, signatureOf, type PapersVerdict } from "../papers/check.ts";
import { jsonLine, textReport } from "../report.ts";
import { readAuditors } from "./auditors.ts";

/** @param folders - each with its signatures in `FOLDER.sig` beside it */
export async function verifyPapers(
  folders: readonly string[],
  values: Arguments["values"],
): Promise<0 | 1 | 3> {
  const means = { auditors: await readAuditors(values), provider: createNodeProvider() };
  const codes: (0 | 1 | 3)[] = [];
  for (const folder of folders) {
    const progress = terminalProgress("verify");
    try {
      const { judgement, says } = await judge(folder, { ...means, progress });
      progress.done();
      process.stdout.write(
        values["json"] === true ? jsonLine(folder, judgement) : textReport(folder, judgement, says),
      );
      codes.push(exitCode(judgement, values["strict"] === true));
    } finally {
      progress.done();
    }
  }
  return worst(codes);
}

async function judge(folder: string, means: Parameters<typeof checkPapers>[2]): Promise<PapersVerdict> {
  try {
    return await checkPapers(folder, await readSignatureFile(signatureOf(folder)), means);
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    const { code, message } = error;
    const checks = [{ name: "file", result: "failed", code, reason: message } as const];
    return { judgement: { verdict: "invalid", code, restrictions: [], checks }, says: [] };
  }
}
