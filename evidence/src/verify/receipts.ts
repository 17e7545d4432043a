/**
 * Receipts of a statement: signed by a trusted log, leading from this very statement to one place in the tree.
 *
 * @module
 */
import { copied, equalBytes, toHex } from "../bytes.ts";
import { EvidenceError, isEvidenceError } from "../errors.ts";
import { isForeignReceipt, parseForeignReceipt, verifyForeignReceipt } from "../ledger/foreign-receipt.ts";
import type { TrustPolicy } from "./policy.ts";
import type { SignatureProvider } from "../keys/signature.ts";
import { equivocate, parseReceipt, verifyReceipt, type Receipt, type SignedTree } from "../ledger/receipt.ts";
import type { Hash } from "../sha256.ts";
import type { FindingSink } from "./findings.ts";
import { PathWalk } from "./path-walk.ts";
import { ReceiptReader } from "./receipt-reader.ts";
import type { CommitTimes } from "./times.ts";
import { logOf } from "./trust.ts";

/** The tree of a receipt that holds, one object for all receipts of a batch, and the place of its one entry. */
export type GoodReceipt = { readonly tree: SignedTree; readonly index: number };

export class ReceiptCheck {
  readonly #policy: TrustPolicy;
  readonly #provider: SignatureProvider;
  readonly #hash: Hash;
  readonly #findings: FindingSink;
  readonly #reader = new ReceiptReader();
  readonly #walk: PathWalk;
  /** Every tree that some good receipt is about, by origin and size. */
  readonly #trees = new Map<string, SignedTree>();
  /** Of each of them the earliest and the latest time that was signed, by the same names. */
  readonly #times = new Map<string, CommitTimes>();

  constructor(policy: TrustPolicy, provider: SignatureProvider, hash: Hash, findings: FindingSink) {
    this.#policy = policy;
    this.#provider = memoized(provider);
    this.#hash = hash;
    this.#findings = findings;
    this.#walk = new PathWalk(hash);
  }

  /** The root that a receipt signed for a tree, where one is known. */
  rootAt(origin: string, size: number): Uint8Array | undefined {
    return this.#trees.get(`${origin} ${size}`)?.root;
  }

  /** Every tree of a log that a good receipt is about, once. */
  treesOf(origin: string): readonly SignedTree[] {
    return [...this.#trees.values()].filter((tree) => tree.origin === origin);
  }

  /** When a log's trees were there, as its good receipts say, by rising sizes. */
  timesOf(origin: string): readonly CommitTimes[] {
    const sizes = this.treesOf(origin).map(({ size }) => size);
    return sizes.toSorted((a, b) => a - b).flatMap((size) => this.#times.get(`${origin} ${size}`) ?? []);
  }

  /** True for a receipt of other log software; of one in a known form this is told without reading it all. */
  isForeign(bytes: Uint8Array): boolean {
    return this.#reader.read(bytes) === undefined && isForeignReceipt(bytes);
  }

  /**
   * Checks one receipt for one entry. Undefined where it does not hold, is of an untrusted log, or is foreign (then it restricts).
   * Reports `log-unknown`, `receipt-…`, `proof-…`, `signature-invalid`, `log-equivocation`, `index-not-attested`.
   */
  check(bytes: Uint8Array, entry: Uint8Array): GoodReceipt | undefined {
    const known = this.#reader.read(bytes);
    if (known !== undefined && this.#walk.leads(known, entry)) {
      this.#findings.passed("receipts");
      return { tree: known.batch.tree, index: known.index };
    }
    try {
      if (isForeignReceipt(bytes)) {
        this.#foreign(bytes, entry);
        return undefined;
      }
      const receipt = parseReceipt(bytes);
      const log = logOf(this.#policy, receipt.origin);
      if (log === undefined) {
        this.#findings.missing("receipts", "log-unknown", `the trust policy has no log ${receipt.origin}`);
        return undefined;
      }
      if (!equalBytes(receipt.kid, log.key.kid)) {
        throw new EvidenceError("log-key", `the trust policy has another key for the log ${receipt.origin}`);
      }
      const { root, indexes } = verifyReceipt(receipt, [entry], log.key, this.#provider, this.#hash);
      const tree = treeOf(receipt, log.origin, root);
      this.#compare(tree);
      this.#reader.remember(receipt, tree);
      this.#findings.passed("receipts");
      return { tree, index: indexes[0] ?? 0 };
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      this.#findings.failed("receipts", error.code, `${error.message}; statement ${toHex(entry)}`);
      return undefined;
    }
  }

  /** Two receipts of one size that differ are proof that the log's operator cheats. */
  #compare(tree: SignedTree): void {
    const { origin, size, timeUnixS } = tree;
    const name = `${origin} ${size}`;
    const known = this.#trees.get(name);
    if (known === undefined) this.#trees.set(name, tree);
    else if (equivocate(known, tree))
      throw new EvidenceError("log-equivocation", "two receipts of one size differ in root, reg or keys", {
        size,
      });
    const { earliestUnixS, latestUnixS } = this.#times.get(name) ?? {
      earliestUnixS: timeUnixS,
      latestUnixS: timeUnixS,
    };
    this.#times.set(name, {
      size,
      earliestUnixS: Math.min(earliestUnixS, timeUnixS),
      latestUnixS: Math.max(latestUnixS, timeUnixS),
    });
  }

  #foreign(bytes: Uint8Array, entry: Uint8Array): void {
    const receipt = parseForeignReceipt(bytes);
    const log = receipt.issuer === undefined ? undefined : logOf(this.#policy, receipt.issuer);
    if (log === undefined) {
      this.#findings.missing(
        "receipts",
        "log-unknown",
        `the trust policy has no log ${receipt.issuer ?? "(unnamed)"}`,
      );
      return;
    }
    verifyForeignReceipt(receipt, entry, log.key, this.#provider, this.#hash);
    this.#findings.restricted(
      "receipts",
      "index-not-attested",
      "a receipt without a signed size: included, at no proven place",
    );
  }
}

/** With hashes of its own: a view would keep all that was read with it. The origin is the trusted log's very string, which is compared at once. */
const treeOf = (
  { timeUnixS, size, registry: { count, last }, keysRoot }: Receipt,
  origin: string,
  root: Uint8Array,
): SignedTree => ({
  origin,
  timeUnixS,
  size,
  root,
  registry: { count, last: copied(last) },
  keysRoot: copied(keysRoot),
});

/** Signatures remembered: a log's newest ones. */
const MAX_SIGNATURES = 16_384;

/** The receipts of one batch share one signature: it is verified once. */
function memoized(provider: SignatureProvider): SignatureProvider {
  const known = new Map<string, boolean>();
  return {
    name: provider.name,
    verify(key, message, signature) {
      const name = `${toHex(key.kid)} ${toHex(signature)} ${toHex(message)}`;
      const before = known.get(name);
      if (before !== undefined) return before;
      const result = provider.verify(key, message, signature);
      if (known.size >= MAX_SIGNATURES) known.clear();
      known.set(name, result);
      return result;
    },
  };
}
