/**
 * What devices saw of the log, held against the checkpoint of a case: `checkSeen` of the evidence package for more trees than memory holds.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import {
  asBytes,
  asUint,
  decodeCbor,
  equalBytes,
  EvidenceError,
  HASH_BYTES,
  isEvidenceError,
  tuple,
  verifyConsistency,
  type CborValue,
  type CheckedLog,
  type Findings,
  type Hash,
} from "@tallystick/evidence";
import type { FilePlace } from "../facts/write.ts";
import { numbered, readSequence, type CaseFiles } from "./folder.ts";
import { sequenceItems } from "./sequence.ts";

type Tree = { readonly size: number; readonly root: Uint8Array };
type Path = {
  readonly from: number;
  readonly path: readonly Uint8Array[];
  readonly at: FilePlace;
};

/** A proof has at most twice as many hashes as the tree has levels. */
const MAX_PROOF_BYTES = 8192;

/** Reports `log-fork`; a tree without a proof, or of another log, is not checked, and said so. */
export async function checkSeenTrees(
  db: DatabaseSync,
  files: CaseFiles,
  { checkpoint, origin }: CheckedLog,
  hash: Hash,
  findings: Findings,
): Promise<void> {
  const proofs = consistencyPaths(files, hash);
  let proof = await proofs.next();
  const trees = db.prepare(
    `SELECT size, root, 1 AS seen FROM seen WHERE origin IN ('', ?) UNION ALL SELECT DISTINCT size, root, 0 FROM trees ORDER BY size, seen DESC`,
  );
  const signed = db.prepare("SELECT root FROM trees WHERE size = ?");
  const others = db.prepare("SELECT DISTINCT origin FROM seen WHERE origin NOT IN ('', ?) ORDER BY origin");
  for (const { origin: other } of others.iterate(origin) as Iterable<{ origin: string }>)
    findings.notDone("seen", `a tree that was seen is of ${other}, which isn't here`);
  for (const row of trees.iterate(origin)) {
    const { size, root, seen } = row as unknown as Tree & { seen: number };
    while (proof.done !== true && proof.value.from < size) proof = await proofs.next();
    const path = proof.done !== true && proof.value.from === size ? proof.value.path : undefined;
    const roots = (signed.all(size) as { root: Uint8Array }[]).map((one) => one.root);
    const fault = compare({ size, root }, checkpoint, path, roots, hash);
    if (fault === undefined) findings.passed("seen");
    else if (fault === "fork")
      findings.failed(
        "seen",
        "log-fork",
        `the tree of size ${size} that was seen is none of ${origin}'s history`,
      );
    else if (seen === 1)
      findings.notDone("seen", `no proof that the tree of size ${size} grew into the checkpoint`);
  }
}

function compare(
  { size, root }: Tree,
  checkpoint: Tree,
  path: readonly Uint8Array[] | undefined,
  signed: readonly Uint8Array[],
  hash: Hash,
): "fork" | "no-proof" | undefined {
  if (signed.some((one) => !equalBytes(one, root))) return "fork";
  if (size === checkpoint.size) return equalBytes(root, checkpoint.root) ? undefined : "fork";
  if (size > checkpoint.size || path === undefined) return "no-proof";
  try {
    verifyConsistency(size, root, checkpoint.size, checkpoint.root, path, hash);
    return undefined;
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return "fork";
  }
}

/** The proofs of a case, by rising sizes. @throws EvidenceError `case-malformed` for another order */
export async function* consistencyPaths(files: CaseFiles, hash: Hash): AsyncGenerator<Path, undefined> {
  let before = 0;
  for (const [file, sum] of numbered(files, "consistency").entries()) {
    const bytes = await readSequence(files, sum, hash);
    for (const item of sequenceItems(bytes, sum.path)) {
      const found = readPath(item.bytes);
      if (found.from <= before)
        throw new EvidenceError("case-malformed", `${sum.path}: proofs are not by rising sizes`);
      before = found.from;
      yield { ...found, at: { file, offset: item.offset, length: item.bytes.length } };
    }
  }
  return undefined;
}

/** Reads `[from, path]`. @throws EvidenceError `case-malformed`, a code of a closed shape or of CBOR */
export function readPath(bytes: Uint8Array): Omit<Path, "at"> {
  const [from, path] = tuple(decodeCbor(bytes, { maxBytes: MAX_PROOF_BYTES }), 2, "consistency");
  if (!Array.isArray(path)) throw new EvidenceError("case-malformed", "a proof has a path");
  return {
    from: asUint(from, "from"),
    path: path.map((one: CborValue) => asBytes(one, HASH_BYTES, "path hash")),
  };
}
