/**
 * A log that is a million entries long already: real receipts, with paths as long as they are then, under a key of its own. Of the entries
 * before, only the hashes of their subtrees exist, and these are made up.
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
/** Entries of others. */
const BEFORE = 1_000_000;

export class Ledger {
  readonly signer = nobleSigner(sha256(Buffer.from("bench day log")));
  readonly #leaves: Uint8Array[] = [];
  readonly #nodes = new Map<string, Uint8Array>();

  /** Takes in an `up` message and answers with a `down` message. */
  async answer(payload: Uint8Array, timeUnixS: number): Promise<Uint8Array> {
    const hashes = splitUp(payload).items.map(({ bytes }) => nodeSha256(bytes));
    const first = BEFORE + this.#leaves.length;
    for (const hash of hashes) this.#leaves.push(hashLeaf(hash, nodeSha256));
    const size = BEFORE + this.#leaves.length;
    const registry = { count: 401, last: nodeSha256(Buffer.from("registry")) };
    const keysRoot = nodeSha256(Buffer.from("keys"));
    const root = treeRoot(size, this.#read, nodeSha256);
    const batch = await signBatch({ origin: ORIGIN, timeUnixS, size, registry, keysRoot }, root, this.signer);
    const proofs = hashes.map((_, i) => ({
      index: first + i,
      path: inclusionPath(first + i, size, this.#read, nodeSha256),
    }));
    return encodeDown({ kind: "receipt", hashes, receipt: encodeReceipt(batch, proofs) });
  }

  readonly #read: HashReader = (level, index) => {
    const name = `${level} ${index}`;
    const known = this.#nodes.get(name);
    if (known !== undefined) return known;
    const hash = this.#make(level, index);
    this.#nodes.set(name, hash);
    return hash;
  };

  #make(level: number, index: number): Uint8Array {
    const name = `${level} ${index}`;
    if ((index + 1) * 2 ** level <= BEFORE) return nodeSha256(Buffer.from(name));
    if (level > 0)
      return hashNode(this.#read(level - 1, 2 * index), this.#read(level - 1, 2 * index + 1), nodeSha256);
    const leaf = this.#leaves[index - BEFORE];
    if (leaf === undefined) throw new Error(`no leaf ${index}`);
    return leaf;
  }
}
