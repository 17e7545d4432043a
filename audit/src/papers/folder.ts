/**
 * The files of a folder of working papers, each with its size and hash. Read as a stream: a CSV may have a million lines.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { opendir } from "node:fs/promises";
import { join, relative, sep } from "node:path";
import { EvidenceError } from "@tallystick/evidence";
import type { Progress } from "@tallystick/evidence/node";
import { MAX_FILES, type PaperFile } from "./manifest.ts";

/** `others`: what is neither a file nor a folder, links above all. */
export type Listing = { readonly names: readonly string[]; readonly others: readonly string[] };

/**
 * Names of all files below a folder, by the order of their texts, with `/` between parts.
 *
 * @throws EvidenceError `unreachable` where there is no such folder, `too-large` with more than 20,000 entries
 */
export async function listFolder(folder: string): Promise<Listing> {
  const names: string[] = [];
  const others: string[] = [];
  try {
    for await (const entry of await opendir(folder, { recursive: true })) {
      if (entry.isDirectory()) continue;
      const name = relative(folder, join(entry.parentPath, entry.name)).split(sep).join("/");
      (entry.isFile() ? names : others).push(name);
      if (names.length + others.length > MAX_FILES)
        throw new EvidenceError("too-large", `${folder}: more than ${MAX_FILES} files`);
    }
  } catch (error) {
    if (error instanceof Error && "syscall" in error)
      throw new EvidenceError("unreachable", `${folder}: can't be read: ${error.message}`, {}, error);
    throw error;
  }
  // The order of code units, which no language of the machine changes.
  const sorted = (texts: string[]): string[] => texts.toSorted((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  return { names: sorted(names), others: sorted(others) };
}

/** @throws EvidenceError `unreachable` where one can't be read */
export async function hashFiles(
  folder: string,
  names: readonly string[],
  progress: Progress,
): Promise<PaperFile[]> {
  const files: PaperFile[] = [];
  for (const name of names) {
    files.push(await hashFile(join(folder, name), name));
    progress.update(files.length, names.length, "files");
  }
  return files;
}

async function hashFile(path: string, name: string): Promise<PaperFile> {
  const hash = createHash("sha256");
  let bytes = 0;
  try {
    for await (const chunk of createReadStream(path)) {
      const part = chunk as Uint8Array;
      hash.update(part);
      bytes += part.length;
    }
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new EvidenceError("unreachable", `${path}: can't be read: ${reason}`, {}, error);
  }
  return { name, bytes, hash: new Uint8Array(hash.digest()) };
}
