/**
 * The statements of a case, judged one by one and handed on in their order: here, and by threads beside this one where there are many.
 *
 * @module
 */
import { toHex, type CheckedLog, type KeyState } from "@tallystick/evidence";
import type { StatementFacts } from "../facts/extract.ts";
import { StatementJudge, type KnownKey } from "../facts/judge.ts";
import { unpack } from "../facts/packed.ts";
import type { CaseFiles } from "./folder.ts";
import { judgeItems } from "./judge-items.ts";
import { statementPieces, type Piece } from "./pieces.ts";
import { JudgeThreads } from "./threads.ts";
import type { CaseMeans } from "./verify.ts";

/** Judged statements of one file, consecutive. */
export type Part = { readonly file: number; readonly statements: Iterable<StatementFacts> };

/** A part whose turn hasn't come; what it is refused with is told then. */
type Coming = Omit<Part, "statements"> & {
  readonly statements: Promise<Part["statements"]>;
  isJudged: boolean;
};

/** Parts that wait for one before them: so many times what the threads have under way. */
const MOST_OPEN = 4;

/** @throws EvidenceError `case-malformed`, and whatever a statement that can't be read is refused with */
export async function* judgedStatements(
  files: CaseFiles,
  log: CheckedLog,
  state: KeyState,
  known: (kid: Uint8Array) => KnownKey,
  means: CaseMeans,
): AsyncGenerator<Part> {
  const { policy, provider, hash, threads } = means;
  const judge = new StatementJudge({ policy, logs: [log], provider, hash, keyOf: known });
  const here = (piece: Piece): StatementFacts[] => judgeItems(judge, piece);
  if (threads > 0) return yield* withThreads(files, here, startThreads(log, state, known, means));
  for await (const { file, ...piece } of statementPieces(files)) yield { file, statements: here(piece) };
}

function startThreads(
  log: CheckedLog,
  state: KeyState,
  known: (kid: Uint8Array) => KnownKey,
  { policy, provider, threads }: CaseMeans,
): JudgeThreads {
  const keys = new Map<string, KnownKey>();
  for (const { kid, role } of state.records()) if (role === "device") keys.set(toHex(kid), known(kid));
  return new JudgeThreads(threads, { policy, log, keys, provider: provider.name });
}

/** What the threads can't take just now is judged here: no processor waits, and half of it, of two, needn't be handed over twice. */
async function* withThreads(
  files: CaseFiles,
  here: (piece: Piece) => Iterable<StatementFacts>,
  pool: JudgeThreads,
): AsyncGenerator<Part> {
  try {
    const open: Coming[] = [];
    for await (const { file, ...piece } of statementPieces(files)) {
      const judged = pool.isBusy
        ? new Promise<Part["statements"]>((resolve) => resolve(here(piece)))
        : judgedBy(pool, piece);
      open.push(coming(file, judged));
      while (open[0]?.isJudged === true || open.length >= MOST_OPEN * pool.most) yield await nextOf(open);
    }
    while (open.length > 0) yield await nextOf(open);
  } finally {
    await pool.end();
  }
}

async function judgedBy(pool: JudgeThreads, piece: Piece): Promise<Part["statements"]> {
  const { packed, repeated } = await pool.judge(piece);
  return unpack(packed, repeated);
}

function coming(file: number, statements: Coming["statements"]): Coming {
  const part: Coming = { file, statements, isJudged: false };
  const judged = (): void => void (part.isJudged = true);
  statements.then(judged, judged);
  return part;
}

async function nextOf(open: Coming[]): Promise<Part> {
  const { file, statements } = open.shift() as Coming;
  return { file, statements: await statements };
}
