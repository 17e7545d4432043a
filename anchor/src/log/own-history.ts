/**
 * What the log's own key has signed before, wherever it turns up: in the public folder, at the broker, in a device's hands. A note or receipt of a larger
 * tree, or of another tree of the same size, means that this database is not where the log really stands (restored from a backup, run
 * twice): signing on would show two histories. So the anchor stops.
 *
 * @module
 */
import {
  decodeUtf8,
  EvidenceError,
  equalBytes,
  hashLeaf,
  isEvidenceError,
  openCheckpoint,
  parseReceipt,
  rootFromInclusion,
  toBeSigned,
  treeRoot,
  type Receipt,
  type SignatureProvider,
  type VerifierKey,
} from "@tallystick/evidence";
import type { PublicKey } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Store } from "../sequence/sequence.ts";

/** The log's own name and key. */
export type OwnLog = {
  readonly origin: string;
  readonly key: PublicKey;
  readonly vkey: VerifierKey;
  readonly provider: SignatureProvider;
};

/** `foreign`: nothing that this log's key has signed. `consistent`: it fits the database. */
export type Finding = "foreign" | "consistent";

/** What the operator can do about it. */
const CONTINUE =
  "continue from the newest copy of the log (move this database away, tally-anchor restore --from COPY --from THIS), or, where there is none, begin a successor log (docs/restore.md)";

/** Longest note that is read. */
const MAX_NOTE_BYTES = 65_536;
/** Entries beside a receipt that are tried as what it is for. */
const MAX_ENTRIES = 8;

export class OwnHistory {
  readonly #log: OwnLog;
  readonly #store: Store;

  constructor(log: OwnLog, store: Store) {
    this.#log = log;
    this.#store = store;
  }

  /**
   * Looks at a signed note.
   *
   * @throws EvidenceError `checkpoint-ahead`, `log-equivocation`
   */
  checkNote(note: Uint8Array, where: string): Finding {
    let checkpoint: { readonly size: number; readonly root: Uint8Array };
    try {
      if (note.length > MAX_NOTE_BYTES) return "foreign";
      checkpoint = openCheckpoint(decodeUtf8(note), this.#log.vkey, this.#log.provider);
    } catch (error) {
      if (isEvidenceError(error)) return "foreign";
      throw error;
    }
    this.#compare(checkpoint.size, checkpoint.root, where);
    return "consistent";
  }

  /**
   * Looks at a receipt. The signature covers a root that only an entry leads to: tried are the entry held at the receipt's own index, and those that
   * came along with it.
   *
   * @throws EvidenceError `checkpoint-ahead`, `log-equivocation`
   */
  checkReceipt(bytes: Uint8Array, alongside: readonly Uint8Array[], where: string): Finding {
    const receipt = this.#parseOwn(bytes);
    const proof = receipt?.proofs[0];
    if (receipt === undefined || proof === undefined) return "foreign";
    const held = proof.index < this.#size ? this.#store.archive.entries(proof.index, proof.index + 1) : [];
    for (const entry of [...held, ...alongside.slice(0, MAX_ENTRIES)]) {
      const root = this.#signedRoot(receipt, entry);
      if (root === undefined) continue;
      this.#compare(receipt.size, root, where);
      this.#compareRegistry(receipt, where);
      return "consistent";
    }
    return "foreign";
  }

  get #size(): number {
    return this.#store.batches.last()?.size ?? 0;
  }

  #parseOwn(bytes: Uint8Array): Receipt | undefined {
    try {
      const receipt = parseReceipt(bytes);
      const own = receipt.origin === this.#log.origin && equalBytes(receipt.kid, this.#log.key.kid);
      return own ? receipt : undefined;
    } catch (error) {
      if (isEvidenceError(error)) return undefined;
      throw error;
    }
  }

  /** The root that the log's key has signed in this receipt, if `entry` is what it is for. */
  #signedRoot({ proofs, sign1 }: Receipt, entry: Uint8Array): Uint8Array | undefined {
    const [proof] = proofs;
    if (proof === undefined) return undefined;
    try {
      const root = rootFromInclusion(
        hashLeaf(entry, nodeSha256),
        proof.index,
        proof.size,
        proof.path,
        nodeSha256,
      );
      const signed = toBeSigned(sign1.protectedBytes, root);
      return this.#log.provider.verify(this.#log.key, signed, sign1.signature) ? root : undefined;
    } catch (error) {
      if (isEvidenceError(error)) return undefined;
      throw error;
    }
  }

  #compare(size: number, root: Uint8Array, where: string): void {
    const own = this.#size;
    if (size > own) {
      throw new EvidenceError(
        "checkpoint-ahead",
        `${where}: this log signed a tree of ${size} entries, and the database holds ${own}: ${CONTINUE}`,
        { signed: size, held: own },
      );
    }
    const rootHere = treeRoot(size, (level, index) => this.#store.tiles.node(level, index), nodeSha256);
    if (!equalBytes(root, rootHere)) {
      throw new EvidenceError(
        "log-equivocation",
        `${where}: this log signed another tree of ${size} entries than the database holds: ${CONTINUE}`,
        { size },
      );
    }
  }

  /** The key state follows from the items, and the last of them from all before it. */
  #compareRegistry({ size, registry }: Receipt, where: string): void {
    const here = this.#store.archive.registryAt(size);
    if (here !== undefined && here.count === registry.count && equalBytes(here.last, registry.last)) return;
    throw new EvidenceError(
      "log-equivocation",
      `${where}: this log signed a tree of ${size} entries with ${registry.count} registry items, the database has ${here?.count ?? 0} there${here?.count === registry.count ? " and another last one" : ""}: ${CONTINUE}`,
      { size },
    );
  }
}
