/**
 * Heads: what a device said on its `sys` stream about the newest statements of its other streams. They attest the tail of a chain, which
 * no hole can show.
 *
 * @module
 */
import { equalBytes, toHex } from "../bytes.ts";
import type { Link } from "./chain.ts";
import type { Head } from "../events/event-kinds.ts";
import { SYSTEM_STREAM } from "../names.ts";

/** A head and the `heads` statement that names it. */
export type NamedHead<S extends Link = Link> = { readonly head: Head; readonly by: S };

/** The heads that a set of statements names, of any number of devices. */
export class HeadIndex<S extends Link = Link> {
  /** By device, stream, chain and number, then by hash; a device that contradicts itself has several for one number. */
  readonly #byPlace = new Map<string, Map<string, NamedHead<S>>>();
  readonly #newest = new Map<string, NamedHead<S>>();

  /** @param statements - any; only `heads` events on `sys` count */
  constructor(statements: readonly S[]) {
    for (const by of statements) {
      if (by.event?.kind !== "heads" || by.claims.sub !== SYSTEM_STREAM) continue;
      for (const head of by.event.heads) this.#add({ head, by });
    }
  }

  /** The statement that names exactly this one: the tail of its chain is attested. */
  attests(iss: string, head: Head): S | undefined {
    return this.#hashesAt(iss, head)?.get(toHex(head.hash))?.by;
  }

  /** A head at this place with another hash: the device signed two statements of one number, a `fork`. */
  contradicts(iss: string, head: Head): NamedHead<S> | undefined {
    for (const named of this.#hashesAt(iss, head)?.values() ?? []) {
      if (!equalBytes(named.head.hash, head.hash)) return named;
    }
    return undefined;
  }

  /** The highest number named of a chain: whatever is held below it is not the tail. */
  newest(iss: string, sub: string, ch: Uint8Array): NamedHead<S> | undefined {
    return this.#newest.get(chainKey(iss, sub, ch));
  }

  #hashesAt(
    iss: string,
    { sub, ch, seq }: Omit<Head, "hash">,
  ): ReadonlyMap<string, NamedHead<S>> | undefined {
    return this.#byPlace.get(`${chainKey(iss, sub, ch)}/${seq}`);
  }

  #add(named: NamedHead<S>): void {
    const { head, by } = named;
    const chain = chainKey(by.claims.iss, head.sub, head.ch);
    const place = `${chain}/${head.seq}`;
    let known = this.#byPlace.get(place);
    if (known === undefined) this.#byPlace.set(place, (known = new Map<string, NamedHead<S>>()));
    const hash = toHex(head.hash);
    if (!known.has(hash)) known.set(hash, named);
    const newest = this.#newest.get(chain);
    if (newest === undefined || newest.head.seq < head.seq) this.#newest.set(chain, named);
  }
}

const chainKey = (iss: string, sub: string, ch: Uint8Array): string => `${iss}/${sub}/${toHex(ch)}`;
