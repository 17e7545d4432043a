/**
 * What the log has signed: receipts that were verified, the newest tree seen, and proof against the log where it signs two stories.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import {
  concatBytes,
  encodeCbor,
  equalBytes,
  EvidenceError,
  parseReceipt,
  toHex,
  verifyReceipt,
  type Hash,
  type PublicKey,
  type Receipt,
  type SignatureProvider,
} from "@tallystick/evidence";
import type { Meta } from "../storage/meta.ts";
import type { Seen } from "../seal/seal.ts";
import type { Query, Storage } from "../storage/storage.ts";

/** A log whose receipts are believed: its origin and key. */
export type PinnedLog = { readonly origin: string; readonly key: PublicKey };

/** A receipt whose signature and proofs are good. */
export type VerifiedReceipt = Receipt & { readonly root: Uint8Array };

export class Trees {
  readonly #logs: readonly PinnedLog[];
  readonly #provider: SignatureProvider;
  readonly #hash: Hash;
  readonly #meta: Meta;
  readonly #other: Query<{ id: number; tree: Uint8Array; bytes: Uint8Array }>;
  readonly #insert: StatementSync;
  readonly #alarm: StatementSync;
  #seen: Seen | undefined;

  /** @param logs - of several, a later one succeeds an earlier one */
  constructor(
    storage: Storage,
    meta: Meta,
    { logs, provider, hash }: { logs: readonly PinnedLog[]; provider: SignatureProvider; hash: Hash },
  ) {
    this.#logs = logs;
    this.#provider = provider;
    this.#hash = hash;
    this.#meta = meta;
    this.#other = storage.query(
      "SELECT id, tree, bytes FROM receipt WHERE origin = ? AND size = ? AND tree <> ? LIMIT 1",
    );
    this.#insert = storage.prepare(
      "INSERT INTO receipt (origin, size, time, tree, bytes) VALUES (?, ?, ?, ?, ?)",
    );
    this.#alarm = storage.prepare(
      "INSERT INTO alarm (code, at, text, evidence) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    );
    const [origin, size, root] = [
      meta.text("seen-origin"),
      meta.number("seen-size"),
      meta.bytes("seen-root"),
    ];
    if (origin !== undefined && size !== undefined && root !== undefined) this.#seen = { origin, size, root };
  }

  /** The newest tree of which a signature was verified: the `seen` of statements to come. */
  get seen(): Seen | undefined {
    return this.#seen;
  }

  /**
   * Checks a receipt for the statements of these hashes against the pinned logs.
   *
   * @throws EvidenceError `log-unknown` for another log, `receipt-key` for another key, and whatever `parseReceipt` and `verifyReceipt` throw
   */
  verify(bytes: Uint8Array, hashes: readonly Uint8Array[]): VerifiedReceipt {
    const receipt = parseReceipt(bytes);
    const named = this.#logs.filter(({ origin }) => origin === receipt.origin);
    const [first] = named;
    if (first === undefined)
      throw new EvidenceError("log-unknown", "the receipt is of a log that isn't pinned");
    const log = named.find(({ key }) => equalBytes(key.kid, receipt.kid)) ?? first;
    const { root } = verifyReceipt(receipt, hashes, log.key, this.#provider, this.#hash);
    return { ...receipt, root };
  }

  /** Keeps a verified receipt, within a transaction, and returns its row. */
  keep(receipt: VerifiedReceipt): number {
    const { origin, size, timeUnixS, bytes } = receipt;
    return Number(this.#insert.run(origin, size, timeUnixS, treeOf(receipt), bytes).lastInsertRowid);
  }

  /**
   * Row of the receipt in which the log has signed something else about a tree of this size before; undefined where there is none. Both receipts are put by as
   * proof of that, within the caller's transaction, and this one counts for nothing.
   */
  contradicts(receipt: VerifiedReceipt, nowUnixMs: number): number | undefined {
    const tree = treeOf(receipt);
    const other = this.#other.get(receipt.origin, receipt.size, tree);
    if (other === undefined) return undefined;
    const text = `${receipt.origin} signed two trees of size ${receipt.size}: ${shortOf(other.tree)} and ${shortOf(tree)}`;
    this.#alarm.run("log-equivocation", nowUnixMs, text, encodeCbor([other.bytes, receipt.bytes]));
    return other.id;
  }

  /**
   * Takes note of a verified tree where it is newer, within a transaction.
   *
   * @param item - row of a statement in the outbox that this receipt is for
   */
  see({ origin, size, root }: VerifiedReceipt, item: number): void {
    const seen = this.#seen;
    if (seen !== undefined && seen.origin === origin && size <= seen.size) return;
    if (seen !== undefined && seen.origin !== origin && this.#rank(origin) <= this.#rank(seen.origin)) return;
    this.#seen = { origin, size, root };
    this.#meta.set("seen-origin", origin);
    this.#meta.set("seen-size", size);
    this.#meta.set("seen-root", root);
    this.#meta.set("seen-item", item);
  }

  #rank(origin: string): number {
    return this.#logs.findLastIndex((log) => log.origin === origin);
  }
}

/** All that a log signs about a tree of one size, besides the time. */
const treeOf = ({ root, keysRoot, registry }: VerifiedReceipt): Uint8Array =>
  concatBytes(root, keysRoot, registry.last, encodeCbor(registry.count));

const shortOf = (tree: Uint8Array): string => `${toHex(tree.subarray(0, 8))}…`;
