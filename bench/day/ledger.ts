/**
 * A log of a million entries: real receipts with paths of twenty hashes, under a key of its own. Of the entries of others only the hashes of
 * their subtrees exist, and these are made up anew for each receipt.
 *
 * A receipt is longest where others' entries follow in the same batch, as they do in a busy log; at the right edge of a quiet one, paths
 * are about half as long. So this is the dearest a receipt can be at this size.
 *
 * @module
 */
import {
  encodeDown,
  encodeReceipt,
  hashLeaf,
  hashNode,
  inclusionPath,
  nobleSigner,
  sha256,
  signBatch,
  splitUp,
  treeRoot,
  type HashReader,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";

export const ORIGIN = "bench.example/2026";
const FIRST_SIZE = 1_000_000;
/** In the left half of the tree, where every path has all its levels. */
const FIRST_INDEX = 400_000;

export class Ledger {
  readonly signer = nobleSigner(sha256(Buffer.from("bench day log")));
  #admitted = 0;

  /** Takes in an `up` message and answers with a `down` message. */
  async answer(payload: Uint8Array, timeUnixS: number): Promise<Uint8Array> {
    const hashes = splitUp(payload).items.map(({ bytes }) => nodeSha256(bytes));
    const first = FIRST_INDEX + this.#admitted;
    this.#admitted += hashes.length;
    const size = FIRST_SIZE + this.#admitted;
    const read = treeAround(
      first,
      hashes.map((hash) => hashLeaf(hash, nodeSha256)),
    );
    const registry = { count: 401, last: nodeSha256(Buffer.from("registry")) };
    const keysRoot = nodeSha256(Buffer.from("keys"));
    const root = treeRoot(size, read, nodeSha256);
    const batch = await signBatch({ origin: ORIGIN, timeUnixS, size, registry, keysRoot }, root, this.signer);
    const proofs = hashes.map((_, i) => ({
      index: first + i,
      path: inclusionPath(first + i, size, read, nodeSha256),
    }));
    return encodeDown({ kind: "receipt", hashes, receipt: encodeReceipt(batch, proofs) });
  }
}

/** The subtrees of a tree whose leaves from `first` on are given; the others are made up. */
function treeAround(first: number, leaves: readonly Uint8Array[]): HashReader {
  const read: HashReader = (level, index) => {
    const start = index * 2 ** level;
    if (start + 2 ** level <= first || start >= first + leaves.length) {
      return nodeSha256(Buffer.from(`${level} ${index}`));
    }
    const leaf = level === 0 ? leaves[index - first] : undefined;
    return leaf ?? hashNode(read(level - 1, 2 * index), read(level - 1, 2 * index + 1), nodeSha256);
  };
  return read;
}
