/**
 * Copies of what the anchor said itself, one file a statement, each there before the statement goes on its way: so no number is signed twice, whatever dies when; and a
 * log that was restored from an older backup gets them back, as it gets a device's back from its outbox.
 *
 * @module
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import {
  equalBytes,
  isEvidenceError,
  LIMITS,
  parseStatement,
  toHex,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { makeOnce } from "../make-once.ts";
import { storageFailed } from "../storage/database.ts";

/** Files that are kept; older ones go, but for those that say what was erased. */
const MAX_FILES = 10_000;
const NAME = /^[0-9a-f]{16}-\d{12}\.cose$/;

/** Chain and number: one file for each number. */
const nameOf = ({ claims: { ch, seq } }: Statement): string =>
  `${toHex(ch ?? new Uint8Array(8))}-${String(seq).padStart(12, "0")}.cose`;

export class Kept {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /** Keeps a statement. @throws EvidenceError `storage-failed` where another one was made for this number */
  async keep(statement: Statement): Promise<void> {
    const path = join(this.#folder, nameOf(statement));
    if (await makeOnce(path, statement.bytes)) return;
    if (!equalBytes(new Uint8Array(readFileSync(path)), statement.bytes))
      throw storageFailed(`${path}: another statement was made for this number: two anchors with one key?`);
  }

  /** The log refused it: its number is free. The file stays, under another name. */
  refused(statement: Statement): void {
    const path = join(this.#folder, nameOf(statement));
    if (existsSync(path)) renameSync(path, `${path}.${toHex(statement.hash.subarray(0, 4))}.refused`);
  }

  /** All of them, by chain and number. Files that are damaged are left out. */
  *all(): Generator<Statement, void, undefined> {
    for (const name of this.#names()) {
      const statement = readKept(join(this.#folder, name));
      if (statement !== undefined) yield statement;
    }
  }

  /** Forgets the oldest, where there are too many. */
  tidy(): void {
    const names = this.#names();
    if (names.length <= MAX_FILES) return;
    const byAge = names
      .map((name) => ({ name, mtimeMs: statSync(join(this.#folder, name)).mtimeMs }))
      .toSorted((a, b) => a.mtimeMs - b.mtimeMs);
    for (const { name } of byAge.slice(0, -MAX_FILES)) {
      const path = join(this.#folder, name);
      // It says what must not come back, however old the backup.
      if (readKept(path)?.event?.kind !== "erased") rmSync(path, { force: true });
    }
  }

  #names(): readonly string[] {
    return readdirSync(this.#folder)
      .filter((name) => NAME.test(name))
      .toSorted();
  }
}

/** True for a folder in which some of these files are. What lies beside them, e.g. what a copy that was cut off has left, is nobody's business. */
export const isKept = (folder: string): boolean =>
  isFolder(folder) && readdirSync(folder).some((name) => NAME.test(name));

/** `copied`: how many files; `empty`: folders `trail` that were found, and have none. */
export type Copied = { readonly copied: number; readonly empty: readonly string[] };

/**
 * Copies what is kept in the folders `from`, or in `trail` within them, and not yet here; each file is whole and durable, or not there. One here that can't be read is
 * taken from the copy.
 */
export async function copyKept(from: readonly string[], folder: string): Promise<Copied> {
  let copied = 0;
  const empty: string[] = [];
  for (const place of from) {
    const within = join(place, "trail");
    const source = [place, within].find(isKept);
    if (source === undefined) {
      if (isFolder(within)) empty.push(within);
      continue;
    }
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (const name of readdirSync(source).filter((one) => NAME.test(one))) {
      const [copy, own] = [join(source, name), join(folder, name)];
      const kept = readKept(copy);
      if (kept === undefined) continue;
      if (existsSync(own) && readKept(own) === undefined) rmSync(own);
      if (await makeOnce(own, kept.bytes)) copied++;
    }
  }
  return { copied, empty };
}

const isFolder = (path: string): boolean => existsSync(path) && statSync(path).isDirectory();

function readKept(path: string): Statement | undefined {
  if (statSync(path).size > LIMITS.maxStatementBytes) return undefined;
  try {
    return parseStatement(new Uint8Array(readFileSync(path)), nodeSha256);
  } catch (error) {
    if (isEvidenceError(error)) return undefined;
    throw error;
  }
}
