/**
 * What a read hands over, page by page: its chains, their rows, their statements with receipts. Every page is bounded in number and bytes, and made in slices, between which
 * whatever else waits in this process has its turn.
 *
 * @module
 */
import { concatBytes, EvidenceError, parseStatement, toHex } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { ChainLine, Lookups } from "../http/lookups.ts";
import type { Store } from "../sequence/sequence.ts";
import type { Held } from "../storage/archive.ts";
import type { ListedChain } from "../storage/chains.ts";
import { Turns } from "../turns.ts";
import { Periods, type Extent } from "./period.ts";
import type { Read } from "./reads.ts";
import type { ErasedRow, ReadChain } from "./schemas.ts";
import { isAsked, issRange } from "./scope.ts";
import type { Transparents } from "./transparent.ts";

const MAX_CHAINS = 1000;
const MAX_ROWS = 1000;
const MAX_STATEMENTS = 2000;
/** Registry items of one page: each at most 32 KiB, and most of them below one. */
const MAX_ITEMS = 128;
const MAX_PAGE_BYTES = 4 * 2 ** 20;
/** Extents of chains that are remembered, of all reads. */
const MAX_EXTENTS = 20_000;
/** Chains looked at, and statements made, in one turn. */
const CHAINS_AT_ONCE = 16;
const AT_ONCE = 64;

/** Numbers of a chain. */
export type Numbers = { readonly from: number; readonly to: number; readonly limit: number };
export type NamedChain = { readonly iss: string; readonly sub: string; readonly ch: Uint8Array };
/** `next`: where the next page begins; undefined where this one is the last. */
export type Page<T> = { readonly page: T; readonly next: number | undefined };

export type PagesParts = {
  readonly store: Store;
  readonly lookups: Pick<Lookups, "line">;
  readonly transparents: Transparents;
  /** The anchor's own device. */
  readonly ownIss: string;
  readonly publishedSize: () => number;
};

export class Pages {
  readonly #parts: PagesParts;
  readonly #turns = new Turns();
  readonly #periods: Periods;
  /** Of chains of open reads, the oldest first: at an old tree each may take a walk over all that came since. */
  readonly #extents = new Map<string, Promise<Extent | undefined>>();

  constructor(parts: PagesParts) {
    this.#parts = parts;
    this.#periods = new Periods(parts.store, () => this.#turns.next());
  }

  /** Chains of the read after row `after`. */
  async chains(read: Read, after: number): Promise<Page<readonly ReadChain[]>> {
    const page: ReadChain[] = [];
    let [cursor, looked] = [after, 0];
    for (;;) {
      const { listed, through, isLast } = this.#listed(read, cursor);
      for (const chain of listed) {
        if (page.length === MAX_CHAINS) return { page, next: cursor };
        cursor = chain.id;
        if (!isAsked(read.asked, chain.iss, chain.sub)) continue;
        const extent = await this.#extent(read, chain);
        if (++looked % CHAINS_AT_ONCE === 0) await this.#turns.next();
        if (extent !== undefined)
          page.push({ iss: chain.iss, sub: chain.sub, ch: toHex(chain.ch), ...extent });
      }
      if (isLast) return { page, next: undefined };
      cursor = through;
      await this.#turns.next();
    }
  }

  /** Rows of a chain. */
  async rows(read: Read, named: NamedChain, numbers: Numbers): Promise<Page<readonly ChainLine[]>> {
    const limit = Math.min(numbers.limit, MAX_ROWS);
    const page: ChainLine[] = [];
    for await (const held of this.#inSlices(read, named, numbers)) {
      if (page.length === limit) return { page, next: held.seq };
      page.push(this.#parts.lookups.line(held));
    }
    return { page, next: undefined };
  }

  /** Transparent statements of a chain, one after the other. */
  async statements(read: Read, named: NamedChain, numbers: Numbers): Promise<Page<Uint8Array>> {
    const limit = Math.min(numbers.limit, MAX_STATEMENTS);
    const made: Uint8Array[] = [];
    let bytes = 0;
    for await (const held of this.#inSlices(read, named, numbers)) {
      if (made.length === limit || bytes >= MAX_PAGE_BYTES)
        return { page: concatBytes(...made), next: held.seq };
      const one = await this.#parts.transparents.make(held, read.tree);
      if (one === undefined) continue;
      made.push(one);
      bytes += one.length;
    }
    return { page: concatBytes(...made), next: undefined };
  }

  /** Registry items of the read's tree from number `from` on, one after the other: none where there are no more. */
  async registry({ tree }: Read, from: number): Promise<Uint8Array> {
    const { store, transparents } = this.#parts;
    const made: Uint8Array[] = [];
    for (const held of store.archive.items(from, Math.min(tree.registry.count, from + MAX_ITEMS))) {
      const one = await transparents.make(held, tree);
      if (one === undefined) throw notThere();
      made.push(one);
    }
    return concatBytes(...made);
  }

  /**
   * One statement: of the read's streams, its own access statement, or one that says what was erased.
   *
   * @throws EvidenceError `hole`, `read-scope`, `erased` with `by`
   */
  async statement(read: Read, hash: Uint8Array): Promise<Uint8Array> {
    const { store, transparents, ownIss } = this.#parts;
    const held = store.archive.byHash(hash);
    const chain = store.chains.byId(held?.chain ?? -1); // there is no such row
    if (held === undefined || chain === undefined) throw notThere();
    const isOwn = chain.iss === ownIss && this.#isTold(read, held);
    const extent = isAsked(read.asked, chain.iss, chain.sub) ? await this.#extent(read, chain) : undefined;
    if (!isOwn && (extent === undefined || !isOpen(extent, held.seq)))
      throw new EvidenceError("read-scope", "this statement is of no stream, or no period, of this read");
    const by = store.erasures.by(held.index);
    if (by !== undefined) throw erased(by);
    const brought = isOwn ? store.batches.holding(held.index) : undefined;
    const isYounger = brought !== undefined && brought.size > read.tree.size;
    if (isYounger && brought.size > this.#parts.publishedSize()) throw notThere();
    const found = await transparents.make(held, isYounger ? brought : read.tree);
    if (found === undefined) throw notThere();
    return found;
  }

  /** What was erased of the read's streams, from log index `from` on. */
  async erased(read: Read, from: number): Promise<Page<readonly ErasedRow[]>> {
    const { store } = this.#parts;
    const page: ErasedRow[] = [];
    for (let cursor = from; ;) {
      const some = store.erasures.page(cursor, read.tree.size, MAX_ROWS);
      for (const { index, hash, by, chain: id, seq } of some) {
        if (page.length === MAX_ROWS) return { page, next: index };
        cursor = index + 1;
        const chain = id === null ? undefined : store.chains.byId(id);
        if (chain === undefined || !isAsked(read.asked, chain.iss, chain.sub)) continue;
        const { iss, sub, ch } = chain;
        page.push({ iss, sub, ch: toHex(ch), seq, index, hash: toHex(hash), by: toHex(by) });
      }
      if (some.length < MAX_ROWS) return { page, next: undefined };
      await this.#turns.next();
    }
  }

  /** The read's access statement, or one that says that a statement was erased. */
  #isTold(read: Read, { hash, bytes }: Held): boolean {
    if (toHex(hash) === toHex(read.access)) return true;
    return bytes !== null && parseStatement(bytes, nodeSha256).event?.kind === "erased";
  }

  /** The next chains of the devices that are asked for, in the order of their rows: those up to `through`, all there are where `isLast`. */
  #listed(read: Read, after: number) {
    const ranges = new Map(read.asked.map(({ iss }) => [iss, issRange(iss)]));
    const lists = [...ranges.values()].map((range) =>
      this.#parts.store.chains.after(after, MAX_CHAINS, range),
    );
    const full = lists.filter((list) => list.length === MAX_CHAINS);
    const through = Math.min(...full.map((list) => list.at(-1)?.id ?? Infinity));
    const byId = new Map(lists.flat().map((chain) => [chain.id, chain]));
    const listed = [...byId.values()].filter(({ id }) => id <= through).toSorted((a, b) => a.id - b.id);
    return { listed, through, isLast: full.length === 0 };
  }

  /** Found once for a read: what is in its tree stays in it, and a hole that is filled meanwhile is the next read's. */
  #extent(read: Read, chain: ListedChain): Promise<Extent | undefined> {
    const { id, tree, committed, period } = read;
    const name = `${id} ${chain.id}`;
    const known = this.#extents.get(name);
    if (known !== undefined) return known;
    const extent = this.#periods.extent(chain, tree.size, committed, period);
    this.#extents.set(name, extent);
    extent.catch(() => this.#extents.delete(name));
    if (this.#extents.size > MAX_EXTENTS) {
      const [oldest = name] = this.#extents.keys();
      this.#extents.delete(oldest);
    }
    return extent;
  }

  /** @throws EvidenceError `read-scope` for a stream that the read hasn't; `hole` where there is no such chain in its tree */
  async #mustHave(read: Read, { iss, sub, ch }: NamedChain): Promise<{ chain: ListedChain; extent: Extent }> {
    if (!isAsked(read.asked, iss, sub))
      throw new EvidenceError("read-scope", `${iss} ${sub}: this read doesn't have this stream`);
    const chain = this.#parts.store.chains.find(iss, sub, ch);
    const extent = chain && (await this.#extent(read, chain));
    if (chain === undefined || extent === undefined) throw notThere();
    return { chain, extent };
  }

  /**
   * What the read may have of these numbers, and its tree holds, by number.
   *
   * @throws EvidenceError as {@link #mustHave}
   */
  async *#inSlices(
    read: Read,
    named: NamedChain,
    { from, to }: Numbers,
  ): AsyncGenerator<Held, void, undefined> {
    const { chain, extent } = await this.#mustHave(read, named);
    const { archive } = this.#parts.store;
    const { size } = read.tree;
    if (from === 0) yield* archive.page(chain.id, 0, 0, 1).filter(({ index }) => index < size);
    const high = Math.min(to, extent.to ?? -1);
    for (let next = Math.max(1, from, extent.from ?? Infinity); next <= high;) {
      const slice = archive.page(chain.id, next, high, AT_ONCE);
      yield* slice.filter(({ index }) => index < size); // a hole may have been filled since
      if (slice.length < AT_ONCE) return;
      next = (slice.at(-1)?.seq ?? high) + 1;
      await this.#turns.next();
    }
  }
}

/** Number 0 tells what the chain is about: it goes with any of its numbers. */
const isOpen = ({ from, to }: Extent, seq: number): boolean =>
  seq === 0 || (from !== null && to !== null && seq >= from && seq <= to);

const notThere = (): EvidenceError => new EvidenceError("hole", "not in the tree of this read");

/** An erased statement: `where.by` is the hash of the statement that says so. */
export const erased = (by: Uint8Array): EvidenceError =>
  new EvidenceError("erased", `erased by order: ${toHex(by)} in the ledger says so, and its proof stands`, {
    by: toHex(by),
  });
