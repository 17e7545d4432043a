/**
 * Lays what people hold beside what was derived: each receipt's tree, registry and key state must be the log's own, each tree that
 * a device saw must be one of its past. A tree that the log's key signed and that is none of these is proof against its operator.
 *
 * @module
 */
import {
  equalBytes,
  isEvidenceError,
  isForeignReceipt,
  openCheckpoint,
  parseReceipt,
  toHex,
  verifyReceipt,
  verifyStatement,
  type Hash,
  type Receipt,
  type SignatureProvider,
  type Statement,
} from "@tallystick/evidence";
import type { Given } from "./given.ts";
import { counted, type LogCheck, type LogFindings } from "../judgement.ts";
import type { LogFacts } from "./facts.ts";

/** A tree that somebody names, and who. */
type Tree = { readonly size: number; readonly root: Uint8Array; readonly file: string };
type SignedTree = Tree & Pick<Receipt, "registry" | "keysRoot">;

/** Trees kept for comparison with one another; beyond them each is still compared with the log. */
const MAX_TREES = 200_000;

export class GivenCheck {
  readonly #facts: LogFacts;
  readonly #provider: SignatureProvider;
  readonly #hash: Hash;
  readonly #findings: LogFindings;
  readonly #trees = new Map<number, SignedTree>();
  #receipts = 0;
  #seen = 0;

  constructor(facts: LogFacts, provider: SignatureProvider, hash: Hash, findings: LogFindings) {
    this.#facts = facts;
    this.#provider = provider;
    this.#hash = hash;
    this.#findings = findings;
  }

  /** Checks one thing out of `file`. */
  check(given: Given, file: string): void {
    switch (given.kind) {
      case "receipt":
        return this.#bareReceipt(given.receipt, file);
      case "note":
        return this.#note(given.vkey, given.note, file);
      case "statement":
        for (const bytes of given.receipts) this.#receiptOf(given.statement, bytes, file);
        return this.#seenBy(given.statement, file);
    }
  }

  /** Says how much passed, or that there was nothing to check. */
  end(): void {
    if (this.#receipts > 0)
      this.#findings.passed("receipts", `receipts and checkpoints of others that fit: ${this.#receipts}`);
    else
      this.#findings.notDone(
        "receipts",
        "no receipt was given: what the log promised to others was not compared",
      );
    if (this.#seen > 0) this.#findings.passed("seen", `${counted(this.#seen, "tree")} that devices saw`);
    else this.#findings.notDone("seen", "no statement was given that names a tree it saw");
  }

  #receiptOf(statement: Statement, bytes: Uint8Array, file: string): void {
    const name = `${file}: statement ${toHex(statement.hash)}`;
    if (isForeignReceipt(bytes)) {
      this.#findings.notDone("receipts", `${name}: a receipt of other log software names no size to compare`);
      return;
    }
    const receipt = this.#ours(() => parseReceipt(bytes), name);
    if (receipt === undefined) return;
    try {
      const { root } = verifyReceipt(
        receipt,
        [statement.hash],
        this.#facts.log.key,
        this.#provider,
        this.#hash,
      );
      this.#signedTree({ ...receipt, root, file: name });
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      this.#findings.failed("receipts", error.code, `${name}: ${error.message}`);
    }
  }

  /** A receipt without its statement: it speaks of whatever the log has at its places. */
  #bareReceipt(given: Receipt, file: string): void {
    const receipt = this.#ours(() => given, file);
    if (receipt === undefined) return;
    const entries = receipt.proofs.map(({ index }) => this.#facts.entries.get(index));
    const known = entries.filter((entry) => entry !== undefined);
    if (known.length < entries.length) {
      this.#findings.notDone(
        "receipts",
        `${file}: its entries are not in this copy of the log: give the statements too`,
      );
      return;
    }
    try {
      const { root } = verifyReceipt(receipt, known, this.#facts.log.key, this.#provider, this.#hash);
      this.#signedTree({ ...receipt, root, file });
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      const reason =
        `${file}: it does not lead from the log's entries to a root that the log signed: either the receipt was altered or the ` +
        "log shows another history here; its statement would tell which";
      this.#findings.failed("receipts", "receipt-entry", reason);
    }
  }

  /** The receipt, if it reads as one of this log under its key. */
  #ours(read: () => Receipt, name: string): Receipt | undefined {
    const { origin, key } = this.#facts.log;
    try {
      const receipt = read();
      if (receipt.origin !== origin) {
        this.#findings.notDone(
          "receipts",
          `${name}: a receipt of another log, ${JSON.stringify(receipt.origin)}`,
        );
        return undefined;
      }
      if (equalBytes(receipt.kid, key.kid)) return receipt;
      this.#findings.failed(
        "receipts",
        "log-key",
        `${name}: signed by another key than the trust policy has for ${origin}`,
      );
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      this.#findings.failed("receipts", error.code, `${name}: ${error.message}`);
    }
    return undefined;
  }

  #note(vkey: string, note: string, file: string): void {
    const { log } = this.#facts;
    if (vkey !== log.vkey.text) return; // another log of the bundle; one with this name and another key fails by its receipts
    try {
      const { size, root } = openCheckpoint(note, log.vkey, this.#provider);
      if (this.#agrees("receipts", { size, root, file: `${file}: its checkpoint` })) this.#receipts++;
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      this.#findings.failed("receipts", error.code, `${file}: its checkpoint: ${error.message}`);
    }
  }

  /** A tree under the log's own signature. */
  #signedTree(tree: SignedTree): void {
    const other = this.#trees.get(tree.size);
    if (other === undefined && this.#trees.size < MAX_TREES) this.#trees.set(tree.size, tree);
    if (other !== undefined && !sameTree(other, tree)) {
      const reason = `${tree.file} and ${other.file}: the log signed two different trees of size ${tree.size}`;
      this.#findings.failed("receipts", "log-equivocation", reason);
      return;
    }
    if (this.#agrees("receipts", tree) && this.#registryAgrees(tree)) this.#receipts++;
  }

  /** True where a tree is one of the log's past. */
  #agrees(name: LogCheck, { size, root, file }: Tree): boolean {
    const { log, roots } = this.#facts;
    if (size > log.size) {
      const reason = `${file}: names ${size} entries, the checkpoint here only ${log.size}: the log was rolled back, or this is an old copy of it`;
      this.#findings.failed(name, "log-rollback", reason);
      return false;
    }
    const derived = roots.get(size);
    if (derived === undefined) {
      this.#findings.notDone(
        name,
        `${file}: the root at size ${size} could not be derived from what is published`,
      );
      return false;
    }
    if (equalBytes(derived, root)) return true;
    this.#findings.failed(
      name,
      "log-fork",
      `${file}: its tree of size ${size} is none of this log's history`,
    );
    return false;
  }

  #registryAgrees({ size, registry, keysRoot, file }: SignedTree): boolean {
    const { timeline, keysRoots } = this.#facts;
    const within = timeline.within(size);
    if (within === undefined) {
      this.#findings.notDone(
        "registry",
        `${file}: which items were in the tree of size ${size} is not known`,
      );
      return true;
    }
    if (within !== registry.count || !timeline.is(within - 1, registry.last)) {
      const reason = `${file}: signs ${registry.count} registry items at size ${size}, the log has ${within} there or another last one`;
      this.#findings.failed("registry", "registry-mismatch", reason);
      return false;
    }
    const derived = keysRoots.get(within);
    if (derived === undefined) {
      this.#findings.notDone("key-state", `${file}: the key state at size ${size} could not be derived`);
      return true;
    }
    if (equalBytes(derived, keysRoot)) return true;
    this.#findings.failed(
      "key-state",
      "key-state",
      `${file}: signs another key state at size ${size} than follows from the registry`,
    );
    return false;
  }

  /** What a device saw counts only under its own signature: else anybody could accuse the log. */
  #seenBy(statement: Statement, file: string): void {
    const { seen, iss } = statement.claims;
    if (seen === undefined) return;
    const name = `${file}: statement ${toHex(statement.hash)}`;
    const { origin } = this.#facts.log;
    if ((seen.origin ?? origin) !== origin) {
      this.#findings.notDone("seen", `${name}: names a tree of another log, ${JSON.stringify(seen.origin)}`);
      return;
    }
    const key = this.#facts.keyOf(statement.kid);
    if (key === undefined) {
      this.#findings.notDone(
        "seen",
        `${name}: its key is not in this registry, so what it saw counts for nothing`,
      );
      return;
    }
    try {
      verifyStatement(statement, key, this.#provider);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      this.#findings.failed("seen", error.code, `${name}: ${error.message}`);
      return;
    }
    if (this.#agrees("seen", { ...seen, file: `${name}, what ${iss} saw` })) this.#seen++;
  }
}

const sameTree = (a: SignedTree, b: SignedTree): boolean =>
  equalBytes(a.root, b.root) &&
  equalBytes(a.keysRoot, b.keysRoot) &&
  a.registry.count === b.registry.count &&
  equalBytes(a.registry.last, b.registry.last);
