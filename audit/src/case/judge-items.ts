/**
 * Judges consecutive statements of a file.
 *
 * @module
 */
import { EvidenceError, isEvidenceError } from "@tallystick/evidence";
import { factsOf, type StatementFacts } from "../facts/extract.ts";
import type { StatementJudge } from "../facts/judge.ts";
import { sequenceItems } from "./sequence.ts";

/**
 * @param start - where in the file the bytes begin
 * @throws EvidenceError whatever a statement that can't be read is refused with
 */
export function judgeItems(
  judge: StatementJudge,
  bytes: Uint8Array,
  start: number,
  path: string,
): StatementFacts[] {
  const statements: StatementFacts[] = [];
  for (const item of sequenceItems(bytes, path)) {
    const offset = start + item.offset;
    try {
      statements.push(factsOf(judge.judge(item.bytes), { offset, length: item.bytes.length }));
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      throw new EvidenceError(
        error.code,
        `${path}: statement at ${offset}: ${error.message}`,
        { path },
        error,
      );
    }
  }
  return statements;
}
