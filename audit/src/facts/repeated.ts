/**
 * What many statements repeat, handed over once: the trees that receipts sign, and those that devices saw. Whoever packs gives each a number, whoever
 * unpacks knows it by that.
 *
 * @module
 */
import { equalBytes, type SeenTree, type SignedTree } from "@tallystick/evidence";

/** Trees numbered before the numbers begin anew: those of a few days. */
const MAX_NUMBERED = 16_384;

/** New ones of a part. */
export type News<T> = {
  /** Numbers begin anew with this part. */
  readonly anew: boolean;
  /** Numbered on from the last one. */
  readonly added: readonly T[];
};

type Kind<T> = {
  readonly same: (a: T, b: T) => boolean;
  /** With bytes of its own: a view would keep all that was read with it. */
  readonly copy: (one: T) => T;
};

export const signedTrees: Kind<SignedTree> = {
  same: (a, b) =>
    equalBytes(a.root, b.root) &&
    equalBytes(a.keysRoot, b.keysRoot) &&
    equalBytes(a.registry.last, b.registry.last) &&
    a.registry.count === b.registry.count &&
    a.timeUnixS === b.timeUnixS &&
    a.origin === b.origin,
  // Nearly always the very object, one for all receipts of a batch, with bytes of its own.
  copy: (one) => one,
};

const SEEN: Kind<SeenTree> = {
  same: (a, b) => a.origin === b.origin && equalBytes(a.root, b.root),
  copy: (one) => ({ ...one, root: one.root.slice() }),
};

class Numbers<T extends { readonly size: number }> {
  readonly #kind: Kind<T>;
  /** By size, of which nearly always one is met. */
  readonly #known = new Map<number, { readonly one: T; readonly number: number }>();
  #count = 0;
  #anew = true;
  #added: T[] = [];

  constructor(kind: Kind<T>) {
    this.#kind = kind;
  }

  of(one: T): number {
    const known = this.#known.get(one.size);
    if (known !== undefined && (known.one === one || this.#kind.same(known.one, one))) return known.number;
    const copy = this.#kind.copy(one);
    this.#known.set(one.size, { one: copy, number: this.#count });
    this.#added.push(copy);
    return this.#count++;
  }

  /** Ends a part. */
  news(): News<T> {
    const news = { anew: this.#anew, added: this.#added };
    this.#added = [];
    this.#anew = this.#count > MAX_NUMBERED;
    if (this.#anew) {
      this.#known.clear();
      this.#count = 0;
    }
    return news;
  }
}

/** On the side that packs. */
export class RepeatedNumbers {
  readonly trees = new Numbers(signedTrees);
  readonly seen = new Numbers(SEEN);
}

/** On the side that unpacks, by number. */
export type Repeated = { readonly trees: readonly SignedTree[]; readonly seen: readonly SeenTree[] };

/** What is known with one part more. Those that were there are as they were: a part before may still be unpacked. */
export function withNews(
  known: Repeated,
  { trees, seen }: { readonly trees: News<SignedTree>; readonly seen: News<SeenTree> },
): Repeated {
  return { trees: withMore(known.trees, trees), seen: withMore(known.seen, seen) };
}

const withMore = <T>(known: readonly T[], { anew, added }: News<T>): readonly T[] => {
  if (anew) return [...added];
  (known as T[]).push(...added);
  return known;
};
