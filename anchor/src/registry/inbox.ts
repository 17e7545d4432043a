/**
 * The operators' inbox: registry items as files, written by `tally-anchor enrol` and its kin. What was sequenced and published goes to `done/`, what
 * does not count to `refused/` with its code beside it; so the file itself tells its operator what became of it.
 *
 * @module
 */
import { mkdirSync } from "node:fs";
import { readdir, readFile, rename, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  EvidenceError,
  isEvidenceError,
  LIMITS,
  parseStatement,
  toHex,
  type EvidenceCode,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import { Unreadable, type OnUnreadable } from "./unreadable.ts";

export const ITEM_ENDING = ".cose";

export type InboxItem = { readonly file: string; readonly statement: Statement };

/** Items read in one look; the others wait for the next. */
const MAX_ITEMS = 1024;

export class Inbox {
  readonly folder: string;
  /** Handed out and not settled. */
  readonly #out = new Set<string>();
  readonly #unreadable: Unreadable;

  /** @param onUnreadable - told once of each file that can't be read: it is left where it is, and stands in nobody's way */
  constructor(folder: string, onUnreadable?: OnUnreadable) {
    this.folder = folder;
    this.#unreadable = new Unreadable(onUnreadable);
    for (const name of ["done", "refused"]) mkdirSync(join(folder, name), { recursive: true, mode: 0o700 });
  }

  /** New items in the order of their numbers. A file that holds none is refused at once. @throws the error of the folder itself */
  async look(): Promise<InboxItem[]> {
    const names = (await readdir(this.folder)).filter(
      (name) => name.endsWith(ITEM_ENDING) && !name.startsWith(".") && !this.#out.has(name),
    );
    const items: InboxItem[] = [];
    for (const file of this.#unreadable.last(names).slice(0, MAX_ITEMS)) {
      try {
        items.push({ file, statement: await readItem(join(this.folder, file)) });
        this.#out.add(file);
      } catch (error) {
        if (isEvidenceError(error)) await this.refuse(file, error.code, error.message, undefined);
        else this.#unreadable.add(file, error);
      }
    }
    return items.toSorted((a, b) => a.statement.claims.seq - b.statement.claims.seq);
  }

  /** The item is in the published log. */
  async done(file: string): Promise<void> {
    await rename(join(this.folder, file), join(this.folder, "done", file));
    this.#out.delete(file);
  }

  /** @param hash - of the statement, where it is one */
  async refuse(file: string, code: EvidenceCode, text: string, hash: Uint8Array | undefined): Promise<void> {
    const name = join(this.folder, "refused", refusedName(file, hash));
    await writeFile(`${name}.code`, `${code}\n${text}\n`);
    await rename(join(this.folder, file), name);
    this.#out.delete(file);
  }
}

/** A number is tried again after a refusal: the hash tells the attempts apart. */
export const refusedName = (file: string, hash: Uint8Array | undefined): string =>
  `${file.slice(0, -ITEM_ENDING.length)}-${hash === undefined ? Date.now() : toHex(hash.subarray(0, 8))}${ITEM_ENDING}`;

/**
 * Reads one registry item from a file.
 *
 * @throws EvidenceError `too-large`, `registry-malformed`, or what the statement is refused with
 */
export async function readItem(path: string): Promise<Statement> {
  const about = await stat(path);
  if (!about.isFile()) throw new Error(`${path}: not a file`); // one that never ends would be waited for
  if (about.size > LIMITS.maxStatementBytes)
    throw new EvidenceError("too-large", `${path}: too large for a registry item`);
  const statement = parseStatement(new Uint8Array(await readFile(path)), nodeSha256);
  if (statement.content.type !== "registry")
    throw new EvidenceError("registry-malformed", `${path}: not a registry item`);
  return statement;
}
