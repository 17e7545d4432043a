/**
 * The argument for a case, step by step as for a bundle, and what it finds as facts. The statements pass by once: nothing of them is kept in memory.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import {
  checkOperators,
  checkTimes,
  checkWitnesses,
  equalBytes,
  EvidenceError,
  Findings,
  isEvidenceError,
  toHex,
  type CheckedLog,
  type CommitTimes,
  type Hash,
  type KeyState,
  type SignatureProvider,
  type SignedTree,
  type TrustPolicy,
} from "@tallystick/evidence";
import type { Progress } from "@tallystick/evidence/node";
import { FactsBuild } from "../facts/build.ts";
import { emptyFacts } from "../facts/schema.ts";
import { writeKey } from "../facts/from-bundle.ts";
import type { KnownKey } from "../facts/judge.ts";
import { knownKey, remembered } from "../facts/known-keys.ts";
import type { Judgement } from "../judgement.ts";
import { openNote } from "../log/note.ts";
import { checkCase, checkCounts } from "./completeness.ts";
import { compareFiles, type CaseFiles } from "./folder.ts";
import { checkTrees, replayCase } from "./registry.ts";
import { checkSeenTrees, consistencyPaths } from "./seen.ts";
import { judgedStatements } from "./statements.ts";

export type CaseMeans = {
  readonly policy: TrustPolicy;
  readonly provider: SignatureProvider;
  readonly hash: Hash;
  readonly progress: Progress;
  /** Threads that judge statements beside this one. */
  readonly threads: number;
};

/**
 * Verifies a case, compares its files with their sums on the way, and writes its facts.
 *
 * Never throws on what is in it: whatever is wrong is the judgement `invalid` with its code.
 *
 * @throws EvidenceError `case-mismatch`, `unreachable` where a file changed or went away meanwhile
 */
export async function verifyCase(files: CaseFiles, means: CaseMeans, db: DatabaseSync): Promise<Judgement> {
  const findings = new Findings();
  let whole = false;
  try {
    whole = await argue(files, means, db, findings);
  } catch (error) {
    if (!isEvidenceError(error) || error.code === "case-mismatch" || error.code === "unreachable")
      throw error;
    findings.failed("format", error.code, error.message);
    emptyFacts(db);
  }
  // Each file was compared with its sum when it was read: those that were not are compared now.
  if (!whole) await compareFiles(files, means.progress);
  return findings.verdict();
}

/** True where every file was read. */
async function argue(
  files: CaseFiles,
  means: CaseMeans,
  db: DatabaseSync,
  findings: Findings,
): Promise<boolean> {
  const { policy, provider, hash } = means;
  const build = (registry: KeyState | undefined): FactsBuild =>
    new FactsBuild(db, {
      findings,
      reEnrolled: (kid) => registry?.get(kid)?.reEnrolled === true,
    });
  const log = checkNote(files, means, findings);
  const nothing = (): false => {
    build(undefined).finish();
    return false;
  };
  if (log === undefined) return nothing();
  checkWitnesses([log], policy, provider, findings);
  const registry = await replayCase(files, log, { policy, provider, hash, findings });
  if (registry === undefined) return nothing();

  const { state } = registry;
  const known = remembered((kid) => knownKey(kid, state, policy, (one) => state.get(one) ?? unknown(one)));
  const facts = build(state);
  const { indexes, places, trees } = registry;
  for (const [n, at] of places.entries()) facts.writer.item(n, indexes[n] ?? 0, at);
  for (const tree of trees) facts.writer.tree(tree);
  for await (const { from, at } of consistencyPaths(files, hash)) facts.writer.proof(from, at);
  const used = new Map<string, Uint8Array>();
  for await (const { file, statements } of judgedStatements(files, log, state, known, means)) {
    let last: Uint8Array | undefined;
    for (const one of statements) {
      facts.add(one, file);
      if (last !== undefined && equalBytes(last, one.kid)) continue;
      last = one.kid;
      used.set(toHex(last), last.slice());
    }
    means.progress.update(facts.count, files.manifest.entries.here - registry.indexes.length, "statements");
  }
  for (const kid of used.values()) writeKey(facts, kid, state, policy);
  for (const { from, to, ...one } of files.manifest.withheld)
    facts.writer.withheld({ ...one, first: from, last: to, by: one.by === null ? null : toHex(one.by) });
  facts.finish();
  findings.passed("format");
  for (const check of ["receipts", "keys", "signatures"] as const) findings.passed(check);
  checkUsed([...used.values()], state, known, facts, policy, findings);
  checkCounts(files.manifest, facts.held, registry.indexes.length);
  const twice = db.prepare(EQUIVOCATED).get() as { size: number } | undefined;
  if (twice !== undefined)
    findings.failed("receipts", "log-equivocation", `two receipts of size ${twice.size} differ`);
  checkTimes(log.origin, timesOf(db), findings);
  await checkTrees(treesOf(db), registry, files, log, { policy, provider, hash, findings });
  await checkSeenTrees(db, files, log, hash, findings);
  checkCase(files.manifest, facts.held, db, findings);
  return true;
}

/** The checkpoint, under the policy, and the manifest about it. */
function checkNote(
  { checkpoint: text, manifest }: CaseFiles,
  { policy, provider }: CaseMeans,
  findings: Findings,
): CheckedLog | undefined {
  try {
    const { origin, key, vkey, size, root, note } = openNote(text, policy, provider);
    if (origin !== manifest.origin || size !== manifest.size || !equalBytes(root, manifest.root))
      throw new EvidenceError("case-malformed", "case.json names another tree than the checkpoint");
    findings.passed("log", `${origin} at size ${size}`);
    return { origin, key, vkey, note, checkpoint: { origin, size, root } };
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    if (error.code === "log-unknown") findings.missing("log", error.code, error.message);
    else findings.failed("log", error.code, error.message);
    return undefined;
  }
}

const unknown = (kid: Uint8Array) =>
  ({
    kind: "missing",
    check: "keys",
    code: "key-unknown",
    reason: `no enrolment of the key ${toHex(kid)} in the registry`,
  }) as const;

/** The operators behind the keys that signed, and the heads that rotations of those keys name. */
function checkUsed(
  kids: readonly Uint8Array[],
  state: KeyState,
  known: (kid: Uint8Array) => KnownKey,
  facts: FactsBuild,
  policy: TrustPolicy,
  findings: Findings,
): void {
  const records = kids.flatMap((kid) => known(kid).record ?? []);
  checkOperators(
    records.map((record) => ({ record, state })),
    policy,
    findings,
  );
  for (const { iss, succession } of records) {
    if (succession?.by !== "rotate") continue;
    for (const { sub, ch, seq, hash } of succession.heads)
      if (hash !== undefined) facts.named({ iss, sub, ch, seq, hash }, "the rotation");
  }
}

function* treesOf(db: DatabaseSync): Generator<Pick<SignedTree, "size" | "registry" | "keysRoot">> {
  const rows = db.prepare("SELECT size, items, last, keys FROM trees ORDER BY size").iterate();
  for (const row of rows) {
    const { size, items, last, keys } = row as unknown as TreeRow;
    yield { size, registry: { count: items, last }, keysRoot: keys };
  }
}

function* timesOf(db: DatabaseSync): Generator<CommitTimes> {
  const rows = db
    .prepare(
      'SELECT size, min(time) AS "earliestUnixS", max(time) AS "latestUnixS" FROM trees GROUP BY size ORDER BY size',
    )
    .iterate();
  for (const row of rows) yield row as unknown as CommitTimes;
}

type TreeRow = {
  readonly size: number;
  readonly items: number;
  readonly last: Uint8Array;
  readonly keys: Uint8Array;
};

const EQUIVOCATED = `SELECT size FROM (SELECT DISTINCT size, root, items, last, keys FROM trees) GROUP BY size HAVING count(*) > 1`;
