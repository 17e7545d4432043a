/**
 * The commit point. One SQLite transaction gives each statement of a batch its place in its chain and its index in the log, grows the tree, and
 * stores what the log will say about it. Nothing is signed here, and nothing is signed that was not committed here.
 *
 * A transaction that fails ends the process: memory may be ahead of the disk, and only opening the database again tells.
 *
 * @module
 */
import type { DatabaseSync } from "node:sqlite";
import {
  equalBytes,
  isEvidenceError,
  judgeUse,
  type EvidenceCode,
  type KeyState,
  type Statement,
} from "@tallystick/evidence";
import { commitTime } from "./commit-time.ts";
import { Places, type Entrant, type Placement } from "./place.ts";
import { Recovery } from "../restore/recovery.ts";
import { Archive } from "../storage/archive.ts";
import { BatchStore, type BatchRow } from "../storage/batches.ts";
import { ChainStore } from "../storage/chains.ts";
import { inTransaction, storageFailed } from "../storage/database.ts";
import { ErasureStore } from "../storage/erasures.ts";
import { MissingStore } from "../storage/missing.ts";
import { TileStore } from "../storage/tiles.ts";
import { hashLeafInto, RightEdge, type Growth } from "./tree.ts";

/** The database's tables, each behind its own reads and writes. */
export type Store = {
  readonly db: DatabaseSync;
  readonly archive: Archive;
  readonly batches: BatchStore;
  readonly chains: ChainStore;
  readonly tiles: TileStore;
  readonly missing: MissingStore;
  readonly erasures: ErasureStore;
};

export const openStore = (db: DatabaseSync): Store => ({
  db,
  archive: new Archive(db),
  batches: new BatchStore(db),
  chains: new ChainStore(db),
  tiles: new TileStore(db),
  missing: new MissingStore(db),
  erasures: new ErasureStore(db),
});

export type Placed = { readonly statement: Entrant; readonly index: number };
export type Refused = { readonly statement: Entrant; readonly code: EvidenceCode; readonly text: string };

/** A committed batch: what it added to the tree, and what became of each statement. */
export type Sequenced = {
  /** Undefined where nothing was admitted: the log is as it was. */
  readonly batch: (Omit<BatchRow, "signature"> & { readonly growth: Growth }) | undefined;
  /** Registry items and statements that are in the log now, in its order. */
  readonly items: readonly Placed[];
  readonly admitted: readonly Placed[];
  /** Were in the log already, at these indexes. */
  readonly duplicates: readonly Placed[];
  readonly refused: readonly Refused[];
  /** Statements that came back to the entries that were waiting for them. */
  readonly filled: readonly Placed[];
};

export type SequencerOptions = {
  readonly store: Store;
  readonly keys: KeyState;
  /** The log's own clock, seconds: {@link commitTime} makes the commit time of it. */
  readonly nowUnixS: () => number;
  /** Forks kept as evidence; more are refused all the same. */
  readonly maxForks: number;
};

const LEAF_BYTES = 32;

export class Sequencer {
  readonly #store: Store;
  readonly #places: Places;
  readonly #keys: KeyState;
  readonly #nowUnixS: () => number;
  readonly #maxForks: number;
  /** What this log may take in while it is being restored. */
  readonly recovery: Recovery;
  #edge: RightEdge;
  #root: Uint8Array;
  #forks: number;
  /** Of batches before, to be stored with the next one. */
  #signatures: { readonly size: number; readonly bytes: Uint8Array }[] = [];

  /** @throws EvidenceError `storage-failed` where the stored tiles do not lead to the stored root */
  constructor({ store, keys, nowUnixS, maxForks }: SequencerOptions) {
    this.#store = store;
    this.#places = new Places(store.archive, store.chains);
    this.#keys = keys;
    this.#nowUnixS = nowUnixS;
    this.#maxForks = maxForks;
    this.recovery = new Recovery(store.missing, keys);
    const last = store.batches.last();
    this.#edge = RightEdge.restore(last?.size ?? 0, (level, number, width) =>
      store.tiles.read(level, number, width),
    );
    this.#root = this.#edge.root();
    this.#forks = store.archive.countForks();
    if (last !== undefined && !equalBytes(last.root, this.#root)) {
      throw storageFailed(
        "the stored tiles do not lead to the stored root: restore the database from a backup",
      );
    }
  }

  get size(): number {
    return this.#edge.size;
  }

  /** Keeps the signature of a batch's receipts; it is stored with the next batch. */
  keepSignature(size: number, bytes: Uint8Array): void {
    this.#signatures.push({ size, bytes });
  }

  /**
   * Sequences registry items first and statements after them, each in the order given.
   *
   * @throws EvidenceError `storage-failed`: nothing is known to be committed
   */
  sequence(items: readonly Statement[], statements: readonly Entrant[]): Sequenced {
    const done = inTransaction(this.#store.db, () => this.#transact(items, statements));
    if (done.batch !== undefined) {
      this.#edge = done.batch.growth.edge;
      this.#root = done.batch.root;
      this.#signatures = [];
    }
    return done;
  }

  #transact(items: readonly Statement[], statements: readonly Entrant[]): Sequenced {
    this.#checkState();
    const from = this.#edge.size;
    const leaves = new Uint8Array((items.length + statements.length) * LEAF_BYTES);
    const outcome = {
      items: [] as Placed[],
      admitted: [] as Placed[],
      duplicates: [] as Placed[],
      refused: [] as Refused[],
      filled: [] as Placed[],
    };
    let next = from;
    const entered = (statement: Entrant, list: Placed[]): void => {
      hashLeafInto(leaves, (next - from) * LEAF_BYTES, statement.hash);
      list.push({ statement, index: next });
      next++;
    };
    for (const item of items) {
      const refused = this.#takeItem(item, next);
      if (refused === undefined) entered(item, outcome.items);
      else outcome.refused.push(refused);
    }
    for (const statement of statements) {
      const waiting = this.recovery.find(statement.hash);
      const placement = waiting === undefined ? this.#take(statement, next) : this.#fill(statement, waiting);
      if (placement.kind === "placed" && statement.erases !== undefined)
        this.#store.erasures.erase(statement.erases, statement.hash);
      if (placement.kind === "placed" && waiting !== undefined) {
        outcome.filled.push({ statement, index: waiting });
      } else if (placement.kind === "placed") entered(statement, outcome.admitted);
      else if (placement.kind === "duplicate") outcome.duplicates.push({ statement, index: placement.index });
      else {
        if (placement.code === "fork") this.#keepFork(statement);
        outcome.refused.push({ statement, code: placement.code, text: TEXT[placement.code] ?? "" });
      }
    }
    this.#places.save();
    if (outcome.filled.length > 0 && this.recovery.missing === 0) {
      this.#places.relink(this.recovery.firstMissing);
    }
    const batch = next === from ? undefined : this.#growTree(leaves.subarray(0, (next - from) * LEAF_BYTES));
    return { batch, ...outcome };
  }

  /** Another writer would make one index mean two statements. */
  #checkState(): void {
    const last = this.#store.batches.last();
    const same =
      last === undefined
        ? this.#edge.size === 0
        : last.size === this.#edge.size && equalBytes(last.root, this.#root);
    if (!same) throw storageFailed("the database changed under this process");
  }

  #growTree(leaves: Uint8Array): Sequenced["batch"] {
    const growth = this.#edge.grow(leaves);
    const batch = {
      size: growth.to,
      root: growth.root,
      timeUnixS: commitTime(this.#nowUnixS(), this.#store.batches.last()?.timeUnixS),
      registry: { count: this.#keys.count, last: this.#keys.last },
      keysRoot: this.#keys.root(),
    };
    this.#store.tiles.put(growth.tiles);
    this.#store.batches.insert(batch);
    for (const { size, bytes } of this.#signatures) this.#store.batches.keepSignature(size, bytes);
    return { ...batch, growth };
  }

  #take(statement: Entrant, index: number): Placement {
    const code = this.#judge(statement, index) ?? this.#notNow(statement);
    if (code === undefined) return this.#places.take(statement, index);
    const held = this.#places.holder(statement);
    const same = held !== undefined && equalBytes(held.hash, statement.hash);
    return same ? { kind: "duplicate", index: held.index } : { kind: "refused", code };
  }

  /** Why nothing new is taken in, or nothing of this device. */
  #notNow({ claims }: Entrant): EvidenceCode | undefined {
    if (this.#keys.ended !== undefined) return "log-ended";
    return this.recovery.holds(claims.iss) ? "log-restoring" : undefined;
  }

  /** Gives an entry its statement back: its key is judged at that index. */
  #fill(statement: Entrant, index: number): Placement {
    const code = this.#judge(statement, index);
    if (code !== undefined) return { kind: "refused", code };
    const placement = this.#places.fill(statement, index);
    if (placement.kind === "placed") this.recovery.filled(index);
    return placement;
  }

  #takeItem(item: Statement, index: number): Refused | undefined {
    try {
      this.#keys.apply(item, index);
    } catch (error) {
      if (!isEvidenceError(error)) throw error;
      return { statement: item, code: error.code, text: error.message };
    }
    this.#store.archive.append(index, item.hash, null, item.claims.seq, item.bytes);
    this.#store.archive.appendItem(item.claims.seq, index);
    return undefined;
  }

  /** A key may have been revoked or superseded since the signature was checked. */
  #judge({ kid, claims, hash }: Entrant, index: number): EvidenceCode | undefined {
    const record = this.#keys.get(kid);
    if (record === undefined) return "key-unknown";
    return judgeUse(record, { ...claims, hash, index }, record.succession).invalid;
  }

  #keepFork(statement: Entrant): void {
    if (this.#forks >= this.#maxForks) return;
    const { hash, bytes, claims } = statement;
    const fork = { hash, timeUnixS: this.#nowUnixS(), iss: claims.iss, sub: claims.sub, bytes };
    if (this.#store.archive.addFork(fork)) this.#forks++;
  }
}

/** What a device is told of a refusal here. */
export const TEXT: Partial<Record<EvidenceCode, string>> = {
  fork: "another statement holds this place in the chain, or its neighbours disagree",
  hole: "the head that this chain continues is not held: send it first",
  "log-ended": "this log has ended: its last entry names the log that succeeds it",
  "log-restoring": "the log was restored, and waits for what it may have lost: send this again later",
};
