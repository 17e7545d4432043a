/**
 * The statements of a case, judged one by one and handed on in their order.
 *
 * @module
 */
import { EvidenceError, isEvidenceError, type CheckedLog } from "@tallystick/evidence";
import { factsOf, type StatementFacts } from "../facts/extract.ts";
import { StatementJudge, type KnownKey } from "../facts/judge.ts";
import { numbered, readSequence, type CaseFiles } from "./folder.ts";
import { sequenceItems } from "./sequence.ts";
import type { CaseMeans } from "./verify.ts";

/** Judged statements of one file, consecutive. */
export type Part = { readonly file: number; readonly statements: readonly StatementFacts[] };

const PART_STATEMENTS = 256;

/** @throws EvidenceError `case-malformed`, and whatever a statement that can't be read is refused with */
export async function* judgedStatements(
  files: CaseFiles,
  log: CheckedLog,
  known: (kid: Uint8Array) => KnownKey,
  { policy, provider, hash }: CaseMeans,
): AsyncGenerator<Part> {
  const judge = new StatementJudge({ policy, logs: [log], provider, hash, keyOf: known });
  for (const [file, sum] of numbered(files, "statements").entries()) {
    const bytes = await readSequence(files, sum, hash);
    let statements: StatementFacts[] = [];
    for (const item of sequenceItems(bytes, sum.path)) {
      statements.push(judged(judge, item, sum.path));
      if (statements.length < PART_STATEMENTS) continue;
      yield { file, statements };
      statements = [];
    }
    yield { file, statements };
  }
}

function judged(
  judge: StatementJudge,
  { offset, bytes }: { readonly offset: number; readonly bytes: Uint8Array },
  path: string,
): StatementFacts {
  try {
    return factsOf(judge.judge(bytes), { offset, length: bytes.length });
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    throw new EvidenceError(error.code, `${path}: statement at ${offset}: ${error.message}`, { path }, error);
  }
}
