/**
 * Files of a folder that is looked at again and again which can't be read: each is told of once, and looked at after all others, so that it stands in nobody's way.
 *
 * @module
 */

/** Told of a file that can't be read. */
export type OnUnreadable = (file: string, error: unknown) => void;

export class Unreadable {
  /** The one that was tried last is the last. */
  readonly #names = new Set<string>();
  readonly #tell: OnUnreadable;

  constructor(tell: OnUnreadable = () => undefined) {
    this.#tell = tell;
  }

  add(name: string, error: unknown): void {
    if (!this.#names.delete(name)) this.#tell(name, error);
    this.#names.add(name);
  }

  /** The names in their order, and those that could not be read at the end. Of what isn't there any more nothing is remembered. */
  last(names: readonly string[]): readonly string[] {
    const there = new Set(names);
    for (const name of this.#names) if (!there.has(name)) this.#names.delete(name);
    return [...names.filter((name) => !this.#names.has(name)).toSorted(), ...this.#names];
  }
}
