/**
 * Which numbers of a chain belong to a period. A chain's numbers are in the order in which its statements were sealed, and what was committed at some time was sealed before; so
 * both ends are found by halving. A device's clock may have run backwards, so this is help for whoever reads, and a bound to what is handed over; never a finding.
 *
 * @module
 */
import { parseStatement, SYSTEM_STREAM } from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { Store } from "../sequence/sequence.ts";
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

export class Periods {
  readonly #store: Pick<Store, "archive" | "batches">;

  constructor(store: Pick<Store, "archive" | "batches">) {
    this.#store = store;
  }

  /** Log index of the first entry that was committed at `timeUnixS` or later; `size` where there is none in this tree. */
  committedFrom(timeUnixS: number, size: number): number {
    let [low, high] = [0, size];
    while (low < high) {
      const middle = halfway(low, high);
      const batch = this.#store.batches.holding(middle);
      if (batch === undefined || batch.timeUnixS >= timeUnixS) high = middle;
      else low = Math.min(batch.size, high);
    }
    return low;
  }

  /**
   * @param committed - {@link committedFrom} of the period's begin; 0 where it is open
   * @returns undefined where the tree of `size` has nothing of this chain
   */
  extent(chain: ListedChain, size: number, committed: number, { to }: Period): Extent | undefined {
    const { archive } = this.#store;
    const first = archive.firstFrom(chain.id, 0, size)?.seq;
    const last = archive.lastWithin(chain.id, chain.last, size)?.seq;
    if (first === undefined || last === undefined) return undefined;
    const begin =
      committed === 0 ? first : this.#firstThat(chain.id, first, last, size, (index) => index >= committed);
    const until =
      to === undefined ? undefined : to + (chain.sub === SYSTEM_STREAM ? HEADS_WITHIN_S : SEALED_WITHIN_S);
    const end =
      until === undefined
        ? last + 1
        : this.#firstThat(
            chain.id,
            first,
            last,
            size,
            (index, seq) => this.#sealedAt(chain.id, seq, index) > until,
          );
    const from = archive.firstFrom(chain.id, begin, size)?.seq;
    const through = archive.lastWithin(chain.id, end - 1, size)?.seq;
    const none = from === undefined || through === undefined || from > through;
    return { first, last, from: none ? null : from, to: none ? null : through };
  }

  /** The first number from which on this holds; one behind the last where it never does. */
  #firstThat(
    chain: number,
    first: number,
    last: number,
    size: number,
    holds: (index: number, seq: number) => boolean,
  ): number {
    let [low, high] = [first, last + 1];
    while (low < high) {
      const middle = halfway(low, high);
      const held = this.#store.archive.firstFrom(chain, middle, size);
      if (held === undefined || held.seq >= high || holds(held.index, held.seq)) high = middle;
      else low = held.seq + 1;
    }
    return low;
  }

  /** By the device's clock; by the log's where that is unknown. */
  #sealedAt(chain: number, seq: number, index: number): number {
    const bytes = this.#store.archive.byPlace(chain, seq)?.bytes;
    const sealed = bytes && parseStatement(bytes, nodeSha256).claims.iat;
    return sealed ?? this.#store.batches.holding(index)?.timeUnixS ?? 0;
  }
}
