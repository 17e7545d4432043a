/**
 * The trees that the devices saw: each `seen` claim must be a tree that grew into the bundle's checkpoint. This is how devices catch a log that
 * shows different histories to different people.
 *
 * @module
 */
import { equalBytes, toHex } from "../bytes.ts";
import type { BundledConsistency } from "../bundle.ts";
import { isEvidenceError } from "../errors.ts";
import { verifyConsistency } from "../consistency.ts";
import type { Hash } from "../sha256.ts";
import type { Findings } from "./findings.ts";
import type { Placed } from "./placed.ts";
import type { ReceiptCheck } from "./receipts.ts";
import type { CheckedLog } from "./trust.ts";

/** A tree that somebody named: by a `seen` claim, or by a receipt. */
type Tree = { readonly size: number; readonly root: Uint8Array };

/** A log up to its checkpoint, and the bundle's proofs that older trees grew into that. */
export type History = { readonly log: CheckedLog; readonly proofs: readonly BundledConsistency[] };

/**
 * Reports `log-fork`; a tree without a proof is not checked, and said so.
 *
 * @param statements - of the log whose history is `own`
 * @param others - histories of the other logs of the bundle: a device that was sent on to a successor has seen the log before that
 */
export function checkSeen(
  statements: readonly Placed[],
  own: History,
  others: readonly History[],
  receipts: ReceiptCheck,
  hash: Hash,
  findings: Findings,
): void {
  const seen = statements.flatMap(({ statement }) => statement.claims.seen ?? []);
  const sizes = new Set(seen.map(({ size }) => size));
  const compareWith = [own, ...others].map(({ log, proofs }) => {
    const paths = new Map(proofs.map(({ from, path }) => [from, path]));
    return (tree: Tree) =>
      compare(tree, log.checkpoint, paths.get(tree.size), receipts.rootAt(log.origin, tree.size), hash);
  });
  const [compareWithOwn, ...compareWithOthers] = compareWith;
  const looked = new Set<string>();
  for (const tree of [...seen, ...statements.map(({ original }) => original)]) {
    const name = `${tree.size} ${toHex(tree.root)}`;
    if (looked.has(name)) continue;
    looked.add(name);
    const fault = compareWithOwn?.(tree);
    if (fault === undefined || compareWithOthers.some((one) => one(tree) === undefined)) {
      findings.passed("seen");
    } else if (fault === "fork") {
      findings.failed(
        "seen",
        "log-fork",
        `the tree of size ${tree.size} that was seen is none of ${own.log.origin}'s history`,
      );
    } else if (sizes.has(tree.size)) {
      findings.notDone("seen", `no proof that the tree of size ${tree.size} grew into the checkpoint`);
    }
  }
}

function compare(
  tree: Tree,
  checkpoint: Tree,
  path: readonly Uint8Array[] | undefined,
  signedRoot: Uint8Array | undefined,
  hash: Hash,
): "fork" | "no-proof" | undefined {
  // The log itself signed another root for this size.
  if (signedRoot !== undefined && !equalBytes(signedRoot, tree.root)) return "fork";
  if (tree.size === checkpoint.size) return equalBytes(tree.root, checkpoint.root) ? undefined : "fork";
  if (tree.size > checkpoint.size || path === undefined) return "no-proof";
  try {
    verifyConsistency(tree.size, tree.root, checkpoint.size, checkpoint.root, path, hash);
    return undefined;
  } catch (error) {
    if (!isEvidenceError(error)) throw error;
    return "fork";
  }
}
