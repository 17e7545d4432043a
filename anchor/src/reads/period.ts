/**
 * Which numbers of a chain belong to a period. A chain's numbers are in the order in which its statements were sealed, and what was committed at some time was sealed before; so
 * both ends are found by halving. A device's clock may have run backwards, so this is help for whoever reads, and a bound to what is handed over; never a finding.
 *
 * @module
 */
import { setImmediate } from "node:timers/promises";
import { parseStatement, SYSTEM_STREAM } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Store } from "../sequence/sequence.ts";
import type { Look, PlaceOf } from "../storage/archive.ts";
import type { ListedChain } from "../storage/chains.ts";

/** Seconds since 1970; undefined: open on that side. */
export type Period = { readonly from?: number | undefined; readonly to?: number | undefined };

/** Also of numbers whose sum is none any more. */
const halfway = (low: number, high: number): number => low + Math.floor((high - low) / 2);

/** Readings are sealed a while after they were taken; heads that attest the end of a period come later still. */
const SEALED_WITHIN_S = 3600;
const HEADS_WITHIN_S = 172_800;

/** The numbers of a chain: those in the tree, and of these the ones of the period; null where there are none. */
export type Extent = {
  readonly first: number;
  readonly last: number;
  readonly from: number | null;
  readonly to: number | null;
};

/**
 * Numbers that are looked at in one turn, and how their count grows up to that: mostly the first one will do, and an old tree may lack millions of the newest.
 */
const MAX_LOOK = 8192;
const LOOK_GROWTH = 16;

export class Periods {
  readonly #store: Pick<Store, "archive" | "batches">;
  readonly #nextTurn: () => Promise<void>;

  /** @param nextTurn - waited for where it takes longer */
  constructor(
    store: Pick<Store, "archive" | "batches">,
    nextTurn: () => Promise<void> = () => setImmediate(),
  ) {
    this.#store = store;
    this.#nextTurn = nextTurn;
  }

  /**
   * Log index of the first entry that was committed at `timeUnixS` or later; `size` where there is none in this tree. What follows it belongs to it, also where the log's
   * clock was set back and says earlier times of it.
   */
  committedFrom(timeUnixS: number, size: number): number {
    let [low, high] = [0, size];
    while (low < high) {
      const middle = halfway(low, high);
      const batch = this.#store.batches.holding(middle);
      if (batch === undefined || this.#store.batches.newestTime(batch) >= timeUnixS) high = middle;
      else low = Math.min(batch.size, high);
    }
    return low;
  }

  /**
   * @param committed - {@link committedFrom} of the period's begin; 0 where it is open
   * @returns undefined where the tree of `size` has nothing of this chain
   */
  async extent(
    chain: ListedChain,
    size: number,
    committed: number,
    { to }: Period,
  ): Promise<Extent | undefined> {
    const first = (await this.#firstFrom(chain.id, 0, size))?.seq;
    const last = first === undefined ? undefined : (await this.#lastWithin(chain.id, chain.last, size))?.seq;
    if (first === undefined || last === undefined) return undefined;
    const begin =
      committed === 0
        ? first
        : await this.#firstThat(chain.id, first, last, size, (index) => index >= committed);
    const until =
      to === undefined ? undefined : to + (chain.sub === SYSTEM_STREAM ? HEADS_WITHIN_S : SEALED_WITHIN_S);
    const end =
      until === undefined
        ? last + 1
        : await this.#firstThat(
            chain.id,
            first,
            last,
            size,
            (index, seq) => this.#sealedAt(chain.id, seq, index) > until,
          );
    const from = begin > last ? undefined : (await this.#firstFrom(chain.id, begin, size))?.seq;
    const through = end <= first ? undefined : (await this.#lastWithin(chain.id, end - 1, size))?.seq;
    const none = from === undefined || through === undefined || from > through;
    return { first, last, from: none ? null : from, to: none ? null : through };
  }

  /** The first number from which on this holds; one behind the last where it never does. */
  async #firstThat(
    chain: number,
    first: number,
    last: number,
    size: number,
    holds: (index: number, seq: number) => boolean,
  ): Promise<number> {
    let [low, high] = [first, last + 1];
    while (low < high) {
      const middle = halfway(low, high);
      const held = await this.#firstFrom(chain, middle, size);
      if (held === undefined || held.seq >= high || holds(held.index, held.seq)) high = middle;
      else low = held.seq + 1;
    }
    return low;
  }

  /** The first number of a chain from `seq` on, in the tree of `size`. */
  #firstFrom(chain: number, seq: number, size: number): Promise<PlaceOf | undefined> {
    const { archive } = this.#store;
    return this.#found(seq, 1, (from, rows) => archive.lookUp(chain, from, size, rows));
  }

  /** The last number up to `seq`. */
  #lastWithin(chain: number, seq: number, size: number): Promise<PlaceOf | undefined> {
    const { archive } = this.#store;
    return this.#found(seq, -1, (from, rows) => archive.lookDown(chain, from, size, rows));
  }

  async #found(
    begin: number,
    step: 1 | -1,
    look: (from: number, rows: number) => Look,
  ): Promise<PlaceOf | undefined> {
    for (let from = begin, rows = 1; ; rows = Math.min(rows * LOOK_GROWTH, MAX_LOOK)) {
      const { found, reached } = look(from, rows);
      if (found !== undefined || reached === null) return found;
      from = reached + step;
      if (rows === MAX_LOOK) await this.#nextTurn();
    }
  }

  /** By the device's clock; by the log's where that is unknown. */
  #sealedAt(chain: number, seq: number, index: number): number {
    const bytes = this.#store.archive.byPlace(chain, seq)?.bytes;
    const sealed = bytes && parseStatement(bytes, nodeSha256).claims.iat;
    return sealed ?? this.#store.batches.holding(index)?.timeUnixS ?? 0;
  }
}
