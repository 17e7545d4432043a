/**
 * A case's folder: exactly the files that its sums name, each with those very bytes. A link is no file of a case: it may lead anywhere.
 *
 * @module
 */
import { createHash } from "node:crypto";
import { constants } from "node:fs";
import { lstat, open, readdir, stat, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { EvidenceError, toHex, type Hash } from "@tallystick/evidence";
import { readBounded, type Progress } from "@tallystick/evidence/node";
import { MAX_MANIFEST_BYTES, parseManifest, type CaseManifest } from "./manifest.ts";
import { MAX_FILE_BYTES } from "./sequence.ts";
import { MAX_SUMS_BYTES, parseSums, SUMS_FILE, type Sum } from "./sums.ts";

const FOLDERS = ["registry", "statements", "consistency"] as const;
const MAX_NOTE_BYTES = 1 << 20;

export type CaseFiles = {
  readonly folder: string;
  /** SHA-256 of `SHA256SUMS`. */
  readonly digest: Uint8Array;
  readonly sums: readonly Sum[];
  /** Of all files together. */
  readonly bytes: number;
  readonly manifest: CaseManifest;
  readonly checkpoint: Uint8Array;
  readonly policy: Uint8Array;
};

/** True where a path is a folder: what `openFacts` takes for a case. */
export async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

/**
 * Opens a case: its sums, its list of files, its small files. What is in the large ones is compared by whoever reads them.
 *
 * @throws EvidenceError `case-mismatch` for a file that is missing, too many, another or a link; `case-malformed`; `unreachable`
 */
export async function openCase(folder: string, hash: Hash): Promise<CaseFiles> {
  const sumsBytes = await read(folder, SUMS_FILE, MAX_SUMS_BYTES);
  const sums = parseSums(sumsBytes);
  const names = new Set(sums.map(({ path }) => path));
  for (const path of ["case.json", "checkpoint", "policy.txt"])
    if (!names.has(path)) throw new EvidenceError("case-malformed", `${SUMS_FILE} has no ${path}`, { path });
  for (const path of await filesOf(folder))
    if (path !== SUMS_FILE && !names.has(path))
      throw new EvidenceError("case-mismatch", `${path} is in the folder, and not in ${SUMS_FILE}`, { path });
  let bytes = 0;
  for (const { path } of sums) bytes += await mustBeFile(join(folder, path), path);
  const small = async (path: string, maxBytes: number): Promise<Uint8Array> => {
    const sum = sums.find((one) => one.path === path);
    return sum === undefined ? new Uint8Array() : await readSummed(folder, sum, maxBytes, hash);
  };
  const manifest = parseManifest(await small("case.json", MAX_MANIFEST_BYTES));
  const checkpoint = await small("checkpoint", MAX_NOTE_BYTES);
  const policy = await small("policy.txt", MAX_NOTE_BYTES);
  return { folder, digest: hash(sumsBytes), sums, bytes, manifest, checkpoint, policy };
}

/** Compares every file with its sum. @throws EvidenceError `case-mismatch`, `unreachable` */
export async function compareFiles({ folder, sums }: CaseFiles, progress: Progress): Promise<void> {
  for (const [i, { path, sha256 }] of sums.entries()) {
    if ((await hashFile(join(folder, path), path)) !== sha256)
      throw new EvidenceError("case-mismatch", `${path} has other bytes than ${SUMS_FILE} says`, { path });
    progress.update(i + 1, sums.length, "files compared with their sums");
  }
}

/** Numbered files of one kind, in order. @throws EvidenceError `case-malformed` where a number is left out */
export function numbered({ sums }: CaseFiles, kind: (typeof FOLDERS)[number]): readonly Sum[] {
  const files = sums.filter(({ path }) => path.startsWith(`${kind}/`));
  for (const [i, { path }] of files.entries())
    if (path !== numberedPath(kind, i))
      throw new EvidenceError("case-malformed", `${numberedPath(kind, i)} is missing`, { path });
  return files;
}

export const numberedPath = (kind: (typeof FOLDERS)[number], number: number): string =>
  `${kind}/${String(number).padStart(6, "0")}.cborseq`;

/** A file of sequences. @throws EvidenceError `case-mismatch`, `unreachable` */
export const readSequence = ({ folder }: CaseFiles, sum: Sum, hash: Hash): Promise<Uint8Array> =>
  readSummed(folder, sum, MAX_FILE_BYTES, hash);

/** Compared once more with its sum: what was compared before may have been exchanged since. */
async function readSummed(
  folder: string,
  { path, sha256 }: Sum,
  maxBytes: number,
  hash: Hash,
): Promise<Uint8Array> {
  const bytes = await read(folder, path, maxBytes);
  if (toHex(hash(bytes)) === sha256) return bytes;
  throw new EvidenceError("case-mismatch", `${path} has other bytes than ${SUMS_FILE} says`, { path });
}

/** Everything in the folder that is no folder of a case, links and strange things included. */
async function filesOf(folder: string): Promise<string[]> {
  const paths: string[] = [];
  for (const below of ["", ...FOLDERS]) {
    let entries;
    try {
      entries = await readdir(join(folder, below), { withFileTypes: true });
    } catch (error) {
      if (below !== "" && (error as NodeJS.ErrnoException).code === "ENOENT") continue;
      throw new EvidenceError("unreachable", `${join(folder, below)} can't be listed`, {}, error);
    }
    for (const entry of entries) {
      const path = below === "" ? entry.name : `${below}/${entry.name}`;
      const known = below === "" && (FOLDERS as readonly string[]).includes(entry.name);
      if (!(known && entry.isDirectory())) paths.push(path);
    }
  }
  return paths;
}

async function read(folder: string, path: string, maxBytes: number): Promise<Uint8Array> {
  await mustBeFile(join(folder, path), path);
  const bytes = await readBounded(join(folder, path), maxBytes, path);
  if (bytes === undefined) throw missing(path);
  return bytes;
}

/** Its bytes. */
async function mustBeFile(file: string, path: string): Promise<number> {
  const found = await lstat(file).catch(() => undefined);
  if (found === undefined) throw missing(path);
  if (!found.isFile()) throw new EvidenceError("case-mismatch", `${path} is no plain file`, { path });
  return found.size;
}

const missing = (path: string): EvidenceError =>
  new EvidenceError("case-mismatch", `${path} is not in the folder`, { path });

const PIECE_BYTES = 1 << 20;

/** Opens a plain file, and no link. @throws EvidenceError `case-mismatch`, `unreachable` */
export async function openPlain(file: string, path: string): Promise<FileHandle> {
  const handle = await open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK).catch(
    (error: unknown) => {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === "ENOENT") throw missing(path);
      if (code === "ELOOP") throw new EvidenceError("case-mismatch", `${path} is no plain file`, { path });
      throw new EvidenceError("unreachable", `${path} can't be read: ${code ?? ""}`, { path }, error);
    },
  );
  if ((await handle.stat()).isFile()) return handle;
  await handle.close();
  throw new EvidenceError("case-mismatch", `${path} is no plain file`, { path });
}

async function hashFile(file: string, path: string): Promise<string> {
  const handle = await openPlain(file, path);
  try {
    const hash = createHash("sha256");
    const piece = new Uint8Array(PIECE_BYTES);
    let bytes = 0;
    for (;;) {
      const { bytesRead } = await handle.read(piece, 0, PIECE_BYTES);
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(piece.subarray(0, bytesRead));
      bytes += bytesRead;
      if (bytes > MAX_FILE_BYTES)
        throw new EvidenceError("too-large", `${path} has more than 64 MiB`, { path });
    }
  } finally {
    await handle.close();
  }
}
