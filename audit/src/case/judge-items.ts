/**
 * Judges consecutive statements of a file.
 *
 * @module
 */
import { EvidenceError, isEvidenceError } from "@tallystick/evidence";
import { factsOf, type StatementFacts } from "../facts/extract.ts";
import type { StatementJudge } from "../facts/judge.ts";
import type { Piece } from "./pieces.ts";

/** @throws EvidenceError whatever a statement that can't be read is refused with */
export function judgeItems(
  judge: StatementJudge,
  { path, offset: start, bytes, lengths }: Piece,
): StatementFacts[] {
  const statements: StatementFacts[] = [];
  let at = 0;
  for (const length of lengths) {
    const offset = start + at;
    try {
      statements.push(factsOf(judge.judge(bytes.subarray(at, at + length)), { offset, length }));
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      throw new EvidenceError(
        error.code,
        `${path}: statement at ${offset}: ${error.message}`,
        { path },
        error,
      );
    }
    at += length;
  }
  return statements;
}
