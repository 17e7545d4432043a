/**
 * The trees that the devices saw: each `seen` claim must be a tree that grew into the bundle's checkpoint. This is how devices catch a log that
 * shows different histories to different people.
 *
 * @module
 */
import { equalBytes, toHex } from "../bytes.ts";
import type { BundledConsistency } from "../ledger/bundle.ts";
import { isEvidenceError } from "../errors.ts";
import { verifyConsistency } from "../tree/consistency.ts";
import type { Hash } from "../sha256.ts";
import type { Findings } from "./findings.ts";
import type { Placed } from "./placed.ts";
import type { ReceiptCheck } from "./receipts.ts";
import type { CheckedLog } from "./trust.ts";

/** A tree that somebody named: by a `seen` claim, which may say of which log, or by a receipt. */
type Tree = { readonly size: number; readonly root: Uint8Array; readonly origin?: string };

/** `by`: the lowest place in the log of a statement that claims it. */
type NamedTree = Tree & { readonly by?: number };

/** A log up to its checkpoint, and the bundle's proofs that older trees grew into that. */
export type History = { readonly log: CheckedLog; readonly proofs: readonly BundledConsistency[] };

type Fault = "fork" | "no-proof" | "no-log" | undefined;

/**
 * Reports `log-fork`; a tree without a proof, or of a log that isn't here, is not checked, and said so.
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
  const claimed = new Map<string, NamedTree>();
  for (const { statement, index } of statements) {
    const { seen } = statement.claims;
    if (seen === undefined) continue;
    const { by = index } = claimed.get(nameOf(seen)) ?? {};
    claimed.set(nameOf(seen), { ...seen, by: Math.min(by, index) });
  }
  const logs = [own, ...others].map(({ log, proofs }) => {
    const paths = new Map(proofs.map(({ from, path }) => [from, path]));
    const judge = (tree: NamedTree): Fault =>
      log === own.log && isSeenFromWithin(tree, tree.by, log.checkpoint)
        ? "fork"
        : compare(tree, log.checkpoint, paths.get(tree.size), receipts.rootAt(log.origin, tree.size), hash);
    return { origin: log.origin, judge };
  });
  const looked = new Set<string>();
  const signed = statements.map(({ original: { tree } }): NamedTree => ({
    size: tree.size,
    root: tree.root,
  }));
  for (const tree of [...claimed.values(), ...signed]) {
    const name = nameOf(tree);
    if (looked.has(name)) continue;
    looked.add(name);
    const fault = faultOf(tree, logs);
    const { size, origin = own.log.origin } = tree;
    if (fault === undefined) findings.passed("seen");
    else if (fault === "fork")
      findings.failed(
        "seen",
        "log-fork",
        `the tree of size ${size} that was seen is none of ${origin}'s history`,
      );
    else if (fault === "no-log")
      findings.notDone("seen", `the tree of size ${size} that was seen is of ${origin}, which isn't here`);
    else if (claimed.has(name))
      findings.notDone("seen", `no proof that the tree of size ${size} grew into the checkpoint`);
  }
}

/** Of a log that was named, judged by that one alone; else by the statement's own, or one of the others, whichever it is of. */
function faultOf(
  tree: NamedTree,
  logs: readonly { readonly origin: string; readonly judge: (tree: NamedTree) => Fault }[],
): Fault {
  if (tree.origin !== undefined) {
    const named = logs.find(({ origin }) => origin === tree.origin);
    return named === undefined ? "no-log" : named.judge(tree);
  }
  const faults = logs.map(({ judge }) => judge(tree));
  return faults.includes(undefined) ? undefined : faults[0];
}

/**
 * True where the log's tree of that size holds the very statement that says its device had seen it: nobody sees a root that follows from what is signed only then,
 * so it was another tree. The statement was put in front of what it knew.
 *
 * @param index - the statement's place in the log
 * @param checkpoint - a larger tree is none that is at hand
 */
export const isSeenFromWithin = (
  { size }: Pick<Tree, "size">,
  index: number | undefined,
  checkpoint: Pick<Tree, "size">,
): boolean => index !== undefined && index < size && size <= checkpoint.size;

const nameOf = ({ size, root, origin }: Tree): string => `${size} ${toHex(root)} ${origin ?? ""}`;

function compare(
  tree: Tree,
  checkpoint: Tree,
  path: readonly Uint8Array[] | undefined,
  signedRoot: Uint8Array | undefined,
  hash: Hash,
): Fault {
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
