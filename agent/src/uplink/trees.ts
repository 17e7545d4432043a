/**
 * What the log has signed: receipts that were verified, the newest tree seen, and proof against the log where it signs two stories.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import {
  concatBytes,
  encodeCbor,
  encodeReceipt,
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

/** A receipt that was kept before, and contradicts another one. */
export type Contradicted = {
  readonly row: number;
  /** True where both are put by as proof; false where the log has said so much against itself already that this was only counted. */
  readonly isKept: boolean;
};

/** Counter of contradictions whose proof isn't kept. */
export const NOT_KEPT = "log-equivocation-not-kept";

const EQUIVOCATION = "log-equivocation";
/** Proofs kept against one log. One is enough; whoever holds its key could make them without end. */
const MAX_ALARMS = 16;

export class Trees {
  readonly #logs: readonly PinnedLog[];
  readonly #provider: SignatureProvider;
  readonly #hash: Hash;
  readonly #meta: Meta;
  readonly #other: Query<{ id: number; tree: Uint8Array; bytes: Uint8Array }>;
  readonly #insert: StatementSync;
  readonly #alarm: StatementSync;
  readonly #isKnown: Query<{ n: number }>;
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
      `INSERT INTO alarm (code, at, text, evidence) SELECT ?1, ?2, ?3 || ?4, ?5
       WHERE (SELECT count(*) FROM alarm WHERE code = ?1 AND substr(text, 1, length(?3)) = ?3) < ${MAX_ALARMS} ON CONFLICT DO NOTHING`,
    );
    this.#isKnown = storage.query("SELECT 1 AS n FROM alarm WHERE code = ? AND text = ?");
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

  /**
   * Keeps a verified receipt, within a transaction, with its proofs at `places` and no others: proofs aren't signed, so whoever carries a receipt may add
   * any others of its tree.
   *
   * @param places - ascending, each once
   * @returns its row, and how many bytes are kept
   */
  keep(
    receipt: VerifiedReceipt,
    places: readonly number[],
  ): { readonly row: number; readonly bytes: number } {
    const { origin, size, timeUnixS, proofs, sign1 } = receipt;
    const { protectedBytes, signature } = sign1;
    const bytes =
      places.length === proofs.length
        ? receipt.bytes
        : encodeReceipt(
            { protectedBytes, signature, size },
            places.flatMap((place) => proofs[place] ?? []),
          );
    const { lastInsertRowid } = this.#insert.run(origin, size, timeUnixS, treeOf(receipt), bytes);
    return { row: Number(lastInsertRowid), bytes: bytes.length };
  }

  /**
   * The receipt in which the log has signed something else about a tree of this size before; undefined where there is none. Both receipts are put by as
   * proof of that, the first times, within the caller's transaction, and this one counts for nothing.
   */
  contradicts(receipt: VerifiedReceipt, nowUnixMs: number): Contradicted | undefined {
    const tree = treeOf(receipt);
    const other = this.#other.get(receipt.origin, receipt.size, tree);
    if (other === undefined) return undefined;
    const begin = `${receipt.origin} signed two trees`; // no origin has a space in it
    const rest = ` of size ${receipt.size}: ${shortOf(other.tree)} and ${shortOf(tree)}`;
    const isKept =
      this.#isKnown.get(EQUIVOCATION, begin + rest) !== undefined ||
      this.#alarm.run(EQUIVOCATION, nowUnixMs, begin, rest, encodeCbor([other.bytes, receipt.bytes]))
        .changes === 1;
    return { row: other.id, isKept };
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
