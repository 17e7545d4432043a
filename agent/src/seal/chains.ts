/**
 * The chains of this device: where each stream stands, and which streams' heads are still to be told.
 *
 * A chain moves only in the transaction that puts its next statement into the outbox; until that is on disk, the chains as they
 * will be are kept apart, in {@link StagedChains}. So a number is spent exactly once, whatever ends the process.
 *
 * @module
 */
import type { StatementSync } from "node:sqlite";
import {
  EvidenceError,
  SYSTEM_STREAM,
  type Before,
  type DeclaredName,
  type Head,
} from "@tallystick/evidence";
import type { Storage } from "../storage/storage.ts";

/** What `stream-opened` told of the source, kept to notice when it changes. */
export type Declared = {
  readonly source: string;
  readonly meter?: string;
  readonly names: readonly DeclaredName[];
};

/** One chain and its newest statement. */
export type Chain = {
  /** Row of the chain; undefined until its first statement is committed. */
  readonly id: number | undefined;
  readonly sub: string;
  readonly ch: Uint8Array;
  /** Number of the newest statement, -1 before the first. */
  readonly seq: number;
  readonly hash: Uint8Array;
  /** Last number that a heads event named, -1 before the first. */
  readonly attested: number;
  readonly closed: boolean;
  readonly declared: Declared;
};

/** What can be asked of the chains, as they are or as they will be. */
export type ChainView = {
  /** The newest chain of a stream, closed or not. */
  get(sub: string): Chain | undefined;
  /** What `stream-opened` of a new chain of this stream says of the one before. */
  before(sub: string): Before;
  /** Heads of the streams other than `sys`: those that moved since they were last told, or all. */
  heads(all: boolean): readonly Head[];
  /** The newest statement of each stream's newest chain, `sys` included, and of chains that ended just now. */
  ends(): readonly Head[];
};

const CHAIN_ID_BYTES = 8;
const NO_HASH = new Uint8Array();

type Row = {
  id: number;
  sub: string;
  ch: Uint8Array;
  seq: number;
  hash: Uint8Array;
  attested: number;
  closed: number;
  source: string;
};

/** The chains as they are on disk. */
export class Chains implements ChainView {
  readonly #bySub = new Map<string, Chain>();
  readonly #lost: string | undefined;
  readonly #newId: () => Uint8Array;
  readonly #insert: StatementSync;
  readonly #update: StatementSync;

  /** @param lost - why this device's earlier chains are not known; undefined where there are none */
  constructor(storage: Storage, lost: string | undefined, randomBytes: (length: number) => Uint8Array) {
    this.#lost = lost;
    this.#newId = () => randomBytes(CHAIN_ID_BYTES);
    const rows = storage.query<Row>(
      "SELECT * FROM chain WHERE id IN (SELECT max(id) FROM chain GROUP BY sub) ORDER BY sub",
    );
    for (const { source, closed, ...row } of rows.iterate()) {
      this.#bySub.set(row.sub, { ...row, closed: closed === 1, declared: JSON.parse(source) as Declared });
    }
    this.#insert = storage.prepare(
      "INSERT INTO chain (sub, ch, seq, hash, attested, closed, source) VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    this.#update = storage.prepare(
      "UPDATE chain SET seq = ?, hash = ?, attested = ?, closed = ?, source = ? WHERE id = ? AND seq = ?",
    );
  }

  get(sub: string): Chain | undefined {
    return this.#bySub.get(sub);
  }

  /** Every stream that has a chain, `sys` included. */
  subs(): readonly string[] {
    return [...this.#bySub.keys()];
  }

  before(sub: string): Before {
    return beforeOf(this.#bySub.get(sub), this.#lost);
  }

  heads(all: boolean): readonly Head[] {
    return headsOf(this.#bySub.values(), all);
  }

  ends(): readonly Head[] {
    return endsOf(this.#bySub.values());
  }

  stage(): StagedChains {
    return new StagedChains(this.#bySub, this.#lost, this.#newId);
  }

  /**
   * Writes a chain as it will be, within the transaction of its statements, and returns its row number.
   *
   * @throws EvidenceError `storage-failed` where the row is not the one that was read: somebody else has spent its numbers
   */
  write(chain: Chain, before: Chain | undefined): number {
    const { sub, ch, seq, hash, attested, closed } = chain;
    const source = JSON.stringify(chain.declared);
    if (chain.id === undefined) {
      return Number(this.#insert.run(sub, ch, seq, hash, attested, Number(closed), source).lastInsertRowid);
    }
    const { changes } = this.#update.run(
      seq,
      hash,
      attested,
      Number(closed),
      source,
      chain.id,
      before?.seq ?? -1,
    );
    if (changes !== 1)
      throw new EvidenceError("storage-failed", `agent.db: the chain of ${sub} was moved by another program`);
    return chain.id;
  }

  /** Takes over what was committed. */
  accept(chains: Iterable<Chain>): void {
    for (const chain of chains) this.#bySub.set(chain.sub, chain);
  }
}

/** The chains as they will be once a batch is committed. */
export class StagedChains implements ChainView {
  readonly #base: ReadonlyMap<string, Chain>;
  readonly #lost: string | undefined;
  readonly #newId: () => Uint8Array;
  readonly #touched = new Map<string, Chain>();
  /** Chains that were closed and replaced within this batch. */
  readonly #replaced: Chain[] = [];

  constructor(base: ReadonlyMap<string, Chain>, lost: string | undefined, newId: () => Uint8Array) {
    this.#base = base;
    this.#lost = lost;
    this.#newId = newId;
  }

  get(sub: string): Chain | undefined {
    return this.#touched.get(sub) ?? this.#base.get(sub);
  }

  before(sub: string): Before {
    return beforeOf(this.get(sub), this.#lost);
  }

  heads(all: boolean): readonly Head[] {
    return headsOf(new Map([...this.#base, ...this.#touched]).values(), all);
  }

  ends(): readonly Head[] {
    return endsOf([...this.#replaced, ...new Map([...this.#base, ...this.#touched]).values()]);
  }

  /** Begins a new chain, which the next statement of the stream opens. */
  open(sub: string, declared: Declared): void {
    const old = this.#touched.get(sub);
    if (old !== undefined) this.#replaced.push(old);
    this.#touched.set(sub, {
      id: undefined,
      sub,
      ch: this.#newId(),
      seq: -1,
      hash: NO_HASH,
      attested: -1,
      closed: false,
      declared,
    });
  }

  /** Changes what is known of a stream's newest chain. */
  change(
    sub: string,
    changes: Partial<Pick<Chain, "seq" | "hash" | "attested" | "closed" | "declared">>,
  ): void {
    const chain = this.get(sub);
    if (chain === undefined) throw new Error(`stream ${sub} has no chain`);
    this.#touched.set(sub, { ...chain, ...changes });
  }

  /** What has to be written, each with the chain as it is on disk: replaced chains before those that replace them. */
  touched(): readonly { readonly chain: Chain; readonly before: Chain | undefined }[] {
    return [...this.#replaced, ...this.#touched.values()].map((chain) => ({
      chain,
      before: this.#base.get(chain.sub),
    }));
  }
}

const beforeOf = (chain: Chain | undefined, lost: string | undefined): Before => {
  if (chain !== undefined) return { ch: chain.ch, seq: chain.seq, hash: chain.hash };
  return lost === undefined ? "none" : { lost };
};

const endsOf = (chains: Iterable<Chain>): readonly Head[] =>
  Iterator.from(chains)
    .filter(({ seq }) => seq >= 0)
    .map(({ sub, ch, seq, hash }) => ({ sub, ch, seq, hash }))
    .toArray();

const headsOf = (chains: Iterable<Chain>, all: boolean): readonly Head[] =>
  Iterator.from(chains)
    .filter(({ sub, seq, attested }) => sub !== SYSTEM_STREAM && seq >= 0 && (all || seq > attested))
    .map(({ sub, ch, seq, hash }) => ({ sub, ch, seq, hash }))
    .toArray();
