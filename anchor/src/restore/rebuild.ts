/**
 * Rebuilding a log from what is left of it: entries from the newest tree that a source has, statements from whatever database holds their bytes.
 *
 * What is taken is verified as it passes by: entries against tiles, all of them against the signed roots of every source, statements against their
 * entries, registry items as the anchor itself admits them, and past the newest signed note, which only a database reaches, each
 * statement's own signature.
 *
 * @module
 */
import {
  equalBytes,
  EvidenceError,
  hashLeaf,
  judgeUse,
  parseStatement,
  verifyStatement,
} from "@tallystick/evidence";
import { nodeSha256, type Progress } from "@tallystick/evidence/node";
import type { OwnLog } from "../log/own-history.ts";
import { commitTime } from "../sequence/commit-time.ts";
import { Places } from "../sequence/place.ts";
import type { Store } from "../sequence/sequence.ts";
import { type Growth, RightEdge, type TileRow } from "../sequence/tree.ts";
import { BatchRows, judgeRow } from "./batch-rows.ts";
import type { CopiedRow, DatabaseCopy } from "./database-copy.ts";
import { entriesOfCopy, entriesOfDatabase, entryTiles, type EntrySource } from "./entries.ts";
import type { PublicCopy } from "./public-copy.ts";
import { RegistryTrail } from "./trail.ts";

export type Sources = { readonly copies: readonly PublicCopy[]; readonly databases: readonly DatabaseCopy[] };

export type Rebuilt = {
  readonly size: number;
  readonly root: Uint8Array;
  /** Size of the newest signed note that was found. */
  readonly signed: number;
  /** Statements whose bytes are there, registry items included. */
  readonly statements: number;
  /** Log indexes of entries without their statements, as ranges [first, last]. */
  readonly missing: readonly (readonly [number, number])[];
  /** Rows of databases that were damaged, and left out. */
  readonly damaged: number;
};

type Head = {
  readonly name: string;
  readonly size: number;
  readonly root: Uint8Array;
  readonly signed: boolean;
};

const LEAF_BYTES = 32;
const FULL_TILE_BYTES = 256 * 32;

/**
 * Fills an empty database.
 *
 * @throws EvidenceError `backup-malformed` where no source has a signed note, `tile-mismatch`, `tile-missing`, `log-fork` where sources show two histories,
 *   `registry-missing`, `registry-mismatch`, `signature-invalid`, and whatever reading a source or an item is refused with
 */
export async function rebuild(
  sources: Sources,
  store: Store,
  own: OwnLog,
  { nowUnixS, progress }: { readonly nowUnixS: () => number; readonly progress: Progress },
): Promise<Rebuilt> {
  const builder = new Builder(sources, store, own, nowUnixS, await trailOf(sources, own));
  const { size } = builder.target;
  let index = 0;
  for await (const entries of entryTiles(builder.entrySources(), size)) {
    await builder.tile(index, entries);
    index += entries.length;
    progress.update(index, size, "entries");
  }
  return builder.finish();
}

async function trailOf({ copies, databases }: Sources, own: OwnLog): Promise<RegistryTrail> {
  const published = await Promise.all(
    copies.map(async (copy) => ({ name: copy.name, items: await copy.items() })),
  );
  return new RegistryTrail(own, [
    ...published,
    ...databases.map((one) => ({ name: one.name, items: one.items() })),
  ]);
}

class Builder {
  readonly target: Head;
  readonly #signed: number;
  readonly #heads: readonly Head[];
  readonly #sources: Sources;
  readonly #store: Store;
  readonly #own: OwnLog;
  readonly #nowUnixS: () => number;
  readonly #trail: RegistryTrail;
  readonly #places: Places;
  readonly #batches: readonly BatchRows[];
  #edge = RightEdge.empty();
  /** Leaves since the edge. */
  #leaves: Uint8Array[] = [];
  /** By level: the last tile, which is not full yet. */
  readonly #partial = new Map<number, TileRow>();
  readonly #missing: [number, number][] = [];
  /** A head or a signed row that the entries don't lead to: two histories, if the newest is right. */
  #contradiction: string | undefined;
  #targetHolds = false;
  #statements = 0;
  #damaged = 0;

  constructor(sources: Sources, store: Store, own: OwnLog, nowUnixS: () => number, trail: RegistryTrail) {
    this.#sources = sources;
    this.#store = store;
    this.#own = own;
    this.#nowUnixS = nowUnixS;
    this.#trail = trail;
    this.#places = new Places(store.archive, store.chains);
    this.#batches = sources.databases.map((copy) => new BatchRows(copy));
    this.#heads = headsOf(sources);
    const signed = this.#heads.filter((head) => head.signed).map((head) => head.size);
    if (signed.length === 0) {
      const advice = "give the public directory, or a copy of it, beside the database";
      throw new EvidenceError("backup-malformed", `no source has a note that the log signed: ${advice}`);
    }
    this.#signed = Math.max(...signed);
    this.target = this.#heads.reduce((newest, head) => (head.size > newest.size ? head : newest));
  }

  /** Whoever has the newest tree first. */
  entrySources(): readonly EntrySource[] {
    const { copies, databases } = this.#sources;
    const all = [...copies.map(entriesOfCopy), ...databases.map(entriesOfDatabase)];
    return all.toSorted((a, b) => b.size - a.size);
  }

  async tile(first: number, entries: readonly Uint8Array[]): Promise<void> {
    const rows = this.#sources.databases.map((copy) => ({
      copy,
      rows: new Map(copy.rows(first, first + entries.length).map((row) => [row.index, row])),
    }));
    for (const [i, entry] of entries.entries()) {
      const index = first + i;
      const held = rows.flatMap(({ copy, rows: some }) => {
        const row = some.get(index);
        return row === undefined ? [] : [{ copy, row }];
      });
      this.#entry(index, entry, held);
      this.#leaves.push(hashLeaf(entry, nodeSha256));
      if (this.#isBoundary(index + 1)) await this.#boundary();
    }
    await this.#boundary(); // a full tile, or the end
    this.#places.save();
  }

  /** @throws EvidenceError `tile-mismatch`, `log-fork` */
  finish(): Rebuilt {
    if (!this.#targetHolds) {
      const reason = `${this.target.name}: its entries do not lead to its root at ${this.target.size}`;
      throw new EvidenceError("tile-mismatch", `${reason}: one of them was altered; give another copy`);
    }
    if (this.#contradiction !== undefined) throw new EvidenceError("log-fork", this.#contradiction);
    const store = this.#store;
    const { size, root } = this.target;
    this.#places.relink(0);
    store.tiles.put([...this.#partial.values()]);
    for (const { forks } of this.#sources.databases.map((copy) => ({ forks: copy.forks() }))) {
      for (const fork of forks) store.archive.addFork(fork);
    }
    this.#trail.checkAhead(size);
    const firstMissing = this.#missing[0]?.[0] ?? size;
    store.missing.begin({ size, signed: this.#signed, firstMissing, timeUnixS: this.#nowUnixS() });
    return {
      size,
      root,
      signed: this.#signed,
      statements: this.#statements,
      missing: this.#missing,
      damaged: this.#damaged,
    };
  }

  #entry(
    index: number,
    entry: Uint8Array,
    held: readonly { readonly copy: DatabaseCopy; readonly row: CopiedRow }[],
  ): void {
    const item = this.#trail.take(entry, index);
    if (item !== undefined) {
      this.#store.archive.append(index, entry, null, item.claims.seq, item.bytes);
      this.#store.archive.appendItem(item.claims.seq, index);
      this.#statements++;
      return;
    }
    for (const { copy, row } of held) {
      if (!equalBytes(row.hash, entry)) this.#damaged++;
      else if (row.bytes !== null && this.#statement(index, entry, row.bytes)) return;
      else if (row.bytes === null && row.chain !== null && this.#erased(index, entry, row, copy)) return;
    }
    if (index >= this.#signed) {
      const reason = `entry ${index} is beyond the newest signed note and without its statement`;
      throw new EvidenceError("backup-malformed", `${this.target.name}: ${reason}: give another backup`);
    }
    this.#store.archive.appendMissing(index, entry);
    this.#store.missing.add(index);
    const last = this.#missing.at(-1);
    if (last?.[1] === index - 1) last[1] = index;
    else this.#missing.push([index, index]);
  }

  /** Puts a statement in; false where the bytes are others than the entry's. @throws EvidenceError `signature-invalid` */
  #statement(index: number, entry: Uint8Array, bytes: Uint8Array): boolean {
    if (!equalBytes(nodeSha256(bytes), entry)) {
      this.#damaged++;
      return false;
    }
    const statement = parseStatement(bytes, nodeSha256);
    if (index >= this.#signed) {
      const record = this.#trail.keys.get(statement.kid);
      const use = { ...statement.claims, hash: entry, index };
      const invalid = record === undefined ? "key-unknown" : judgeUse(record, use, record.succession).invalid;
      if (record === undefined || invalid !== undefined) {
        throw new EvidenceError(
          invalid ?? "key-unknown",
          `${this.target.name}: entry ${index} doesn't count`,
        );
      }
      verifyStatement(statement, record.key, this.#own.provider);
    }
    if (this.#places.restore(statement, index).kind !== "placed") return false;
    this.#statements++;
    return true;
  }

  #erased(index: number, hash: Uint8Array, { seq, chain }: CopiedRow, copy: DatabaseCopy): boolean {
    const named = chain === null ? undefined : copy.chain(chain);
    if (named === undefined) return false;
    return this.#places.restore({ hash, claims: { ...named, seq }, bytes: null }, index).kind === "placed";
  }

  #isBoundary(size: number): boolean {
    return this.#heads.some((head) => head.size === size) || this.#batches.some((rows) => rows.size === size);
  }

  /** Grows the tree by what has passed by since, and lays what the sources say about this size beside it. */
  async #boundary(): Promise<void> {
    if (this.#leaves.length === 0) return;
    const leaves = new Uint8Array(this.#leaves.length * LEAF_BYTES);
    for (const [i, leaf] of this.#leaves.entries()) leaves.set(leaf, i * LEAF_BYTES);
    this.#leaves = [];
    const growth = this.#edge.grow(leaves);
    this.#edge = growth.edge;
    this.#keepTiles(growth);
    for (const head of this.#heads.filter(({ size }) => size === growth.to)) {
      const holds = equalBytes(head.root, growth.root);
      if (head === this.target) this.#targetHolds = holds;
      else if (!holds && head.signed) this.#contradiction ??= `${head.name}: ${forked(head.size)}`;
    }
    for (const rows of this.#batches) if (rows.size === growth.to) await this.#row(rows, growth);
    // What is signed there follows from the entries, but for the time, which no note tells.
    const needed = growth.to === this.#signed || growth.to === this.target.size;
    if (!needed || this.#store.batches.at(growth.to) !== undefined) return;
    const timeUnixS = commitTime(this.#nowUnixS(), this.#store.batches.last()?.timeUnixS);
    const keysRoot = this.#trail.keys.root();
    const { to, root } = growth;
    this.#store.batches.insert({ size: to, root, timeUnixS, registry: this.#trail.state, keysRoot });
  }

  async #row(rows: BatchRows, { root, to }: Growth): Promise<void> {
    const row = rows.take();
    if (row === undefined) return;
    const finding = await judgeRow(row, root, this.#trail, this.#own, rows.copy.name);
    if (finding === "dropped") this.#damaged++;
    else if (finding === "forked") this.#contradiction ??= `${rows.copy.name}: ${forked(to)}`;
    else if (this.#store.batches.at(to) === undefined) {
      this.#store.batches.insert(row);
      if (row.signature !== null) this.#store.batches.keepSignature(to, row.signature);
    }
  }

  #keepTiles({ tiles }: Growth): void {
    for (const tile of tiles) {
      if (tile.hashes.length === FULL_TILE_BYTES) {
        this.#store.tiles.put([tile]);
        this.#partial.delete(tile.level);
      } else this.#partial.set(tile.level, { ...tile, hashes: tile.hashes.slice() });
    }
  }
}

function headsOf({ copies, databases }: Sources): readonly Head[] {
  const signed = copies.map(({ name, size, root }) => ({ name, size, root, signed: true }));
  const committed = databases.flatMap(({ name, head, signed: note }) => [
    ...(note === undefined ? [] : [{ name, ...pick(note), signed: true }]),
    { name, ...pick(head), signed: false },
  ]);
  return [...signed, ...committed];
}

const pick = ({ size, root }: { readonly size: number; readonly root: Uint8Array }) => ({ size, root });

const forked = (size: number): string =>
  `its tree of ${size} entries is not the beginning of the newest one: two histories of one log; keep both as evidence`;
