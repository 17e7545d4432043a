/**
 * Evidence that people hold, read from their files to be laid beside a whole log: receipts, statements, bundles.
 *
 * @module
 */
import { opendir, stat } from "node:fs/promises";
import { join } from "node:path";
import {
  decodeBundle,
  EvidenceError,
  isBundle,
  MAX_BUNDLE_BYTES,
  parseReceipt,
  parseSign1,
  parseStatement,
  parseTransparent,
  type Receipt,
  type Statement,
} from "@tallystick/evidence";
import { readBounded } from "@tallystick/evidence/node";

/** One thing that speaks about a log. */
export type Given =
  | { readonly kind: "receipt"; readonly receipt: Receipt }
  | { readonly kind: "statement"; readonly statement: Statement; readonly receipts: readonly Uint8Array[] }
  /** A checkpoint out of a bundle. */
  | { readonly kind: "note"; readonly vkey: string; readonly note: string };

const TYP = 16;
const TYP_RECEIPT = 278;

/**
 * Everything in one file, told apart by how it begins.
 *
 * @throws EvidenceError whatever its reader says of it
 */
export function* readGiven(bytes: Uint8Array): Generator<Given> {
  if (isBundle(bytes)) {
    const { logs, statements, registry } = decodeBundle(bytes);
    for (const { vkey, checkpoint } of logs) yield { kind: "note", vkey, note: checkpoint };
    for (const one of [...statements, ...registry]) yield { kind: "statement", ...parseTransparent(one) };
    return;
  }
  const { header, unprotected } = parseSign1(bytes, MAX_BUNDLE_BYTES);
  if (header.get(TYP) === TYP_RECEIPT) yield { kind: "receipt", receipt: parseReceipt(bytes) };
  else if (unprotected.size > 0) yield { kind: "statement", ...parseTransparent(bytes) };
  else yield { kind: "statement", statement: parseStatement(bytes), receipts: [] };
}

/** The files named, and all files below the folders named; those whose names begin with a dot only where they are named themselves. */
export async function* filesOf(names: readonly string[]): AsyncGenerator<string> {
  for (const name of names) {
    const status = await stat(name).catch(() => undefined);
    if (status?.isDirectory() !== true) {
      yield name;
      continue;
    }
    for await (const item of await opendir(name, { recursive: true })) {
      if (item.isFile() && !item.name.startsWith(".")) yield join(item.parentPath, item.name);
    }
  }
}

/**
 * The bytes of a file of evidence.
 *
 * @throws EvidenceError `too-large` beyond 64 MiB; `unreachable` where it is not there or can't be read
 */
export async function readEvidence(file: string): Promise<Uint8Array> {
  const bytes = await readBounded(file, MAX_BUNDLE_BYTES, file);
  if (bytes === undefined) throw new EvidenceError("unreachable", `${file}: no such file`, { path: file });
  return bytes;
}
