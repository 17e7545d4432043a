/**
 * What may be asked of the archive: a statement with its receipts, a key's state, the streams there are, a chain's statements. Answers are about a
 * published tree; every query is bounded.
 *
 * @module
 */
import {
  encodeCbor,
  encodeReceipt,
  encodeSequence,
  encodeTransparent,
  EvidenceError,
  inclusionPath,
  parseStatement,
  toHex,
  type CborValue,
  type KeyState,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { KeyStates } from "../registry/registry.ts";
import type { OpenLog } from "../log/open-log.ts";
import type { Recovery } from "../restore/recovery.ts";
import type { Store } from "../sequence/sequence.ts";
import { signedBatch, type LogIdentity } from "../publish/sign.ts";
import type { Held } from "../storage/archive.ts";
import type { BatchRow } from "../storage/batches.ts";

/** One line of a chain: what an auditor needs to choose what to fetch. */
export type ChainLine = {
  readonly seq: number;
  readonly index: number;
  readonly hash: string;
  readonly kid: string | null;
  readonly iat: number | null;
  readonly time: number;
  readonly kind: string | null;
  /** Hash of the statement that says so, where this one was erased: `kid`, `iat` and `kind` are null then. */
  readonly erased?: string;
};

export type StreamLine = {
  readonly iss: string;
  readonly sub: string;
  readonly ch: string;
  readonly first: number;
  readonly last: number;
  readonly count: number;
};

/** Chains in one answer. */
const MAX_STREAMS = 10_000;
/** Registry items in one answer, each at most 32 KiB. */
const MAX_ITEMS = 256;

type LookedUp = Pick<OpenLog, "store" | "log" | "publisher"> & {
  readonly sequencer: { readonly recovery: Pick<Recovery, "hearing"> };
};

export class Lookups {
  readonly #store: Store;
  readonly #log: LogIdentity;
  readonly #keys: KeyStates;
  readonly #publishedSize: () => number;
  readonly #recovery: Pick<Recovery, "hearing">;

  constructor({ store, log, publisher, sequencer }: LookedUp, keys: KeyStates) {
    this.#store = store;
    this.#log = log;
    this.#keys = keys;
    this.#publishedSize = () => publisher.size;
    this.#recovery = sequencer.recovery;
  }

  /**
   * The transparent statement with two receipts, at its own batch and at `size`; undefined where there is none.
   *
   * @throws EvidenceError `log-restoring` while nothing may be signed
   */
  async statement(hash: Uint8Array, size: number | undefined): Promise<Uint8Array | undefined> {
    if (this.#recovery.hearing)
      throw new EvidenceError(
        "log-restoring",
        "this log was restored: nothing is signed before its devices were heard",
      );
    const held = this.#store.archive.byHash(hash);
    const at = this.#tree(size);
    if (!held?.bytes || at === undefined) return undefined;
    const original = this.#original(held);
    if (original === undefined || original.size > at.size) return undefined;
    const receipts = [await this.#receipt(held, original), await this.#receipt(held, at)];
    return encodeTransparent(held.bytes, receipts);
  }

  /** An entry's own receipt, always of the same tree; `pending` until that is published, and while nothing may be signed; undefined where there is no such entry. */
  async receipt(hash: Uint8Array): Promise<Uint8Array | "pending" | undefined> {
    const held = this.#store.archive.byHash(hash);
    if (held === undefined) return undefined;
    if (this.#recovery.hearing) return "pending";
    const original = this.#original(held);
    if (original === undefined || original.size > this.#publishedSize()) return "pending";
    return this.#receipt(held, original);
  }

  /**
   * `[leaf, size, index, path, items]` of a key in the state at `size`; undefined where there is none.
   *
   * @param mayDerive - called where that state is not at hand
   */
  async key(
    kid: Uint8Array,
    size: number | undefined,
    mayDerive?: () => void,
  ): Promise<Uint8Array | undefined> {
    const at = this.#tree(size);
    if (at === undefined) return undefined;
    const found = (keys: KeyState): Uint8Array | undefined => {
      if (keys.get(kid) === undefined) return undefined;
      const proof = keys.proof(kid);
      const answer: CborValue = [proof.leaf, proof.size, proof.index, proof.path, keys.itemsFor(kid)];
      return encodeCbor(answer);
    };
    return this.#keys.at(at, found, mayDerive);
  }

  /** Registry items of the published tree of `size`, by default the newest, from number `from` on, as a CBOR sequence of byte strings: none where there are no more. */
  items(from: number, size = this.#publishedSize()): Uint8Array {
    const count = this.#store.batches.at(size)?.registry.count ?? 0;
    const items = from < count ? [...this.#store.archive.items(from, Math.min(count, from + MAX_ITEMS))] : [];
    return encodeSequence(items.map(({ bytes }) => bytes));
  }

  streams(iss: string | undefined): StreamLine[] {
    return this.#store.chains.list(iss, MAX_STREAMS).map((chain) => ({ ...chain, ch: toHex(chain.ch) }));
  }

  /** Statements of a chain with `from` <= seq <= `to`, as far as they are published; undefined where there is no such chain. */
  chain(
    named: { readonly iss: string; readonly sub: string; readonly ch: Uint8Array },
    range: { readonly from: number; readonly to: number; readonly limit: number },
  ): ChainLine[] | undefined {
    const chain = this.#store.chains.find(named.iss, named.sub, named.ch);
    if (chain === undefined) return undefined;
    const published = this.#publishedSize();
    const page = this.#store.archive.page(chain.id, range.from, range.to, range.limit);
    return page.filter(({ index }) => index < published).map((held) => this.line(held));
  }

  /** The tree of an entry's first receipt. Entry 0 came in one of size 1, for which there is none: its first one is at the next size. */
  #original({ index }: Held): BatchRow | undefined {
    const first = this.#store.batches.holding(index);
    return first === undefined || first.size > 1 ? first : this.#store.batches.holding(1);
  }

  /** Hash of the statement that says that this one was erased; undefined where it wasn't. */
  erasedBy(hash: Uint8Array): Uint8Array | undefined {
    const held = this.#store.archive.byHash(hash);
    return held === undefined || held.bytes !== null ? undefined : this.#store.erasures.by(held.index);
  }

  /** What is said of one statement of a chain. */
  line({ seq, index, hash, bytes }: Held): ChainLine {
    const statement = bytes === null ? undefined : parseStatement(bytes, nodeSha256);
    const by = bytes === null ? this.#store.erasures.by(index) : undefined;
    return {
      seq,
      index,
      hash: toHex(hash),
      kid: statement === undefined ? null : toHex(statement.kid),
      iat: statement?.claims.iat ?? null,
      time: this.#store.batches.holding(index)?.timeUnixS ?? 0,
      kind: statement?.event?.kind ?? null,
      ...(by !== undefined && { erased: toHex(by) }),
    };
  }

  /** A published tree: the newest, or the one of exactly this size. */
  #tree(size: number | undefined): BatchRow | undefined {
    const published = this.#publishedSize();
    const wanted = size ?? published;
    return wanted < 2 || wanted > published ? undefined : this.#store.batches.at(wanted);
  }

  async #receipt({ index }: Held, batch: BatchRow): Promise<Uint8Array> {
    const path = inclusionPath(index, batch.size, (level, n) => this.#store.tiles.node(level, n), nodeSha256);
    return encodeReceipt(await signedBatch(this.#log, batch), [{ index, path }]);
  }
}
