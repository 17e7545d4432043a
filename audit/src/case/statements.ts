/**
 * The statements of a case, judged one by one and handed on in their order: by threads where there are many.
 *
 * @module
 */
import { toHex, type CheckedLog, type KeyState } from "@tallystick/evidence";
import type { StatementFacts } from "../facts/extract.ts";
import { StatementJudge, type KnownKey } from "../facts/judge.ts";
import { unpack, type Packed } from "../facts/packed.ts";
import { numbered, readSequence, type CaseFiles } from "./folder.ts";
import { judgeItems } from "./judge-items.ts";
import { sequenceItems } from "./sequence.ts";
import { JudgeThreads } from "./threads.ts";
import type { CaseMeans } from "./verify.ts";

/** Judged statements of one file, consecutive. */
export type Part = { readonly file: number; readonly statements: Iterable<StatementFacts> };

/** Bytes of a part: some hundred statements. */
const PART_BYTES = 1 << 19;

type Cut = {
  readonly file: number;
  readonly path: string;
  readonly offset: number;
  readonly bytes: Uint8Array;
};

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
  for await (const { file, path, offset, bytes } of cuts(files, means))
    yield { file, statements: judgeItems(judge, bytes, offset, path) };
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
    const open: { readonly file: number; readonly packed: Promise<Packed> }[] = [];
    const next = async (): Promise<Part | undefined> => {
      const first = open.shift();
      return first && { file: first.file, statements: unpack(await first.packed) };
    };
    for await (const { file, path, offset, bytes } of cuts(files, means)) {
      const packed = pool.judge({ bytes: bytes.slice().buffer, offset, path });
      packed.catch(() => undefined); // told when its turn comes
      open.push({ file, packed });
      const part = open.length >= pool.most ? await next() : undefined;
      if (part !== undefined) yield part;
    }
    for (let part = await next(); part !== undefined; part = await next()) yield part;
  } finally {
    await pool.end();
  }
}

/** The files in parts that end where an item does. */
async function* cuts(files: CaseFiles, { hash }: CaseMeans): AsyncGenerator<Cut> {
  for (const [file, sum] of numbered(files, "statements").entries()) {
    const bytes = await readSequence(files, sum, hash);
    let start = 0;
    for (const { offset, bytes: item } of sequenceItems(bytes, sum.path)) {
      const end = offset + item.length;
      if (end - start < PART_BYTES) continue;
      yield { file, path: sum.path, offset: start, bytes: bytes.subarray(start, end) };
      start = end;
    }
    if (start < bytes.length) yield { file, path: sum.path, offset: start, bytes: bytes.subarray(start) };
  }
}
