/**
 * The statements of a case, judged one by one and handed on in their order: by threads where there are many.
 *
 * @module
 */
import { toHex, type CheckedLog, type KeyState } from "@tallystick/evidence";
import type { StatementFacts } from "../facts/extract.ts";
import { StatementJudge, type KnownKey } from "../facts/judge.ts";
import { unpack } from "../facts/packed.ts";
import type { CaseFiles } from "./folder.ts";
import { judgeItems } from "./judge-items.ts";
import { statementPieces } from "./pieces.ts";
import { JudgeThreads, type JudgedPart } from "./threads.ts";
import type { CaseMeans } from "./verify.ts";

/** Judged statements of one file, consecutive. */
export type Part = { readonly file: number; readonly statements: Iterable<StatementFacts> };

/** @throws EvidenceError `case-malformed`, and whatever a statement that can't be read is refused with */
export async function* judgedStatements(
  files: CaseFiles,
  log: CheckedLog,
  state: KeyState,
  known: (kid: Uint8Array) => KnownKey,
  means: CaseMeans,
): AsyncGenerator<Part> {
  const { policy, provider, hash, threads } = means;
  if (threads > 0) return yield* byThreads(files, log, state, known, means);
  const judge = new StatementJudge({ policy, logs: [log], provider, hash, keyOf: known });
  for await (const piece of statementPieces(files))
    yield { file: piece.file, statements: judgeItems(judge, piece) };
}

async function* byThreads(
  files: CaseFiles,
  log: CheckedLog,
  state: KeyState,
  known: (kid: Uint8Array) => KnownKey,
  means: CaseMeans,
): AsyncGenerator<Part> {
  const keys = new Map<string, KnownKey>();
  for (const { kid, role } of state.records()) if (role === "device") keys.set(toHex(kid), known(kid));
  const { policy, provider, threads } = means;
  const pool = new JudgeThreads(threads, { policy, log, keys, provider: provider.name });
  try {
    const open: { readonly file: number; readonly judged: Promise<JudgedPart> }[] = [];
    const next = async (): Promise<Part | undefined> => {
      const first = open.shift();
      if (first === undefined) return undefined;
      const { packed, repeated } = await first.judged;
      return { file: first.file, statements: unpack(packed, repeated) };
    };
    for await (const { file, ...piece } of statementPieces(files)) {
      const judged = pool.judge(piece);
      judged.catch(() => undefined); // told when its turn comes
      open.push({ file, judged });
      const part = open.length >= pool.most ? await next() : undefined;
      if (part !== undefined) yield part;
    }
    for (let part = await next(); part !== undefined; part = await next()) yield part;
  } finally {
    await pool.end();
  }
}
