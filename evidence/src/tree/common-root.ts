/**
 * The one root to which the inclusion paths of a receipt lead (RFC 9162 section 2.1.3.2). A receipt's statements mostly are neighbours in the tree: from
 * where two paths meet on they are the same, and what was hashed for the one is compared for the other.
 *
 * @module
 */
import { equalBytes } from "../bytes.ts";
import { EvidenceError } from "../errors.ts";
import type { ReadProof } from "./inclusion-proof.ts";
import { checkIndex, half, halvingsToMeet, hashLeaf, isOdd, nodeHasher, PathReader } from "./merkle.ts";
import type { Hash } from "../sha256.ts";

/**
 * @param proofs - all for one size
 * @param entries - ledger entries, one for each proof
 * @throws EvidenceError `receipt-entry` where there is no proof, there are not as many as entries, or they lead to different roots; `proof-index`,
 *   `proof-length`
 */
export function commonRoot(
  proofs: readonly ReadProof[],
  entries: readonly Uint8Array[],
  hash: Hash,
): Uint8Array {
  if (entries.length !== proofs.length) {
    throw new EvidenceError("receipt-entry", "as many proofs as statements are needed", {
      proofs: proofs.length,
      statements: entries.length,
    });
  }
  const climber = new Climber(hash);
  let root: Uint8Array | undefined;
  for (const [i, proof] of proofs.entries()) {
    const found = climber.climb(proof, entries[i] ?? new Uint8Array());
    if (root !== undefined && !equalBytes(root, found)) {
      throw new EvidenceError("receipt-entry", "the proofs of one receipt lead to different roots", {
        index: proof.index,
      });
    }
    root = found;
  }
  if (root === undefined) throw new EvidenceError("receipt-entry", "a receipt without proofs");
  return root;
}

/** The subtree over a leaf at one level, and how many hashes of the path stand below it. */
type Step = { readonly root: Uint8Array; readonly used: number };

/** Climbs paths one after the other and remembers the one before: its steps by level, the last of which is the root. */
class Climber {
  readonly #hash: Hash;
  readonly #node: (left: Uint8Array, right: Uint8Array) => Uint8Array;
  readonly #steps: Step[] = [];
  #before: ReadProof | undefined;

  constructor(hash: Hash) {
    this.#hash = hash;
    this.#node = nodeHasher(hash);
  }

  climb(proof: ReadProof, entry: Uint8Array): Uint8Array {
    const { index, size, path } = proof;
    checkIndex(index, size);
    const steps = this.#steps;
    const before = this.#before?.size === size ? this.#before : undefined;
    if (before === undefined) steps.length = 0;
    const meetsAt = before === undefined ? Infinity : halvingsToMeet(before.index, index);
    const siblings = new PathReader(path);
    let root = hashLeaf(entry, this.#hash);
    this.#before = undefined;
    for (let at = index, last = size - 1, level = 0; ; at = half(at), last = half(last), level++) {
      const met = level === meetsAt ? steps[level] : undefined;
      if (
        met !== undefined &&
        equalBytes(met.root, root) &&
        before?.path.endsAs(met.used, path, siblings.used)
      )
        break; // and so all the steps above are the same
      steps[level] = { root, used: siblings.used };
      if (last === 0) {
        siblings.end();
        break;
      }
      if (isOdd(at)) root = this.#node(siblings.next(), root);
      else if (at < last) root = this.#node(root, siblings.next());
    }
    this.#before = proof;
    return steps.at(-1)?.root ?? root;
  }
}
