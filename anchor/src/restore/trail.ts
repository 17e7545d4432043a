/**
 * The registry of a log that is being rebuilt, item by item as its entries pass by.
 *
 * A note doesn't say how many items its tree holds. So the items of all sources are laid together, and whatever a source has signed about
 * them is compared.
 *
 * @module
 */
import {
  equalBytes,
  EvidenceError,
  KeyState,
  parseStatement,
  toHex,
  type RegistryItem,
  type Statement,
} from "@tallystick/evidence";
import { nodeSha256 } from "@tallystick/evidence/node";
import type { OwnLog } from "../log/own-history.ts";

export type ItemSource = { readonly name: string; readonly items: readonly Uint8Array[] };

export class RegistryTrail {
  readonly keys: KeyState;
  readonly #own: OwnLog;
  readonly #items: readonly Statement[];
  readonly #numbers = new Map<string, number>();

  /** @throws EvidenceError `registry-missing`; `registry-mismatch` where two sources have another item of one number */
  constructor(own: OwnLog, sources: readonly ItemSource[]) {
    this.#own = own;
    this.keys = new KeyState({ provider: own.provider, hash: nodeSha256 });
    let longest: readonly Statement[] = [];
    for (const { name, items } of sources) {
      const read = items.map((bytes) => parseStatement(bytes, nodeSha256));
      const other = read.findIndex((item, n) => !sameHash(item, longest[n]));
      if (other !== -1) {
        const reason = `${name}: registry item ${other} is another one than in a source before`;
        throw new EvidenceError("registry-mismatch", reason, { item: other });
      }
      if (read.length > longest.length) longest = read;
    }
    if (longest.length === 0) throw new EvidenceError("registry-missing", "no source has the log's registry");
    this.#items = longest;
    for (const [n, { hash }] of longest.entries()) this.#numbers.set(toHex(hash), n);
  }

  /**
   * Takes the entry at `index` in. Returns the registry item that it is, where it is one.
   *
   * @throws EvidenceError `entry-zero` where the log doesn't begin with its policy; whatever an item that doesn't count is refused with
   */
  take(hash: Uint8Array, index: number): Statement | undefined {
    const number = this.#numbers.get(toHex(hash));
    const item = number === undefined ? undefined : this.#items[number];
    if (item === undefined) {
      if (index === 0) throw new EvidenceError("entry-zero", "entry 0 is not the log's policy");
      return undefined;
    }
    const applied = this.keys.apply(item, index);
    if (index === 0) this.#checkPolicy(applied);
    return item;
  }

  /** What receipts say about the registry here. */
  get state(): { readonly count: number; readonly last: Uint8Array } {
    return { count: this.keys.count, last: this.keys.last };
  }

  /**
   * Looks at the items that are published and not among the first `size` entries, after the last of these. A log publishes an item before the note that covers
   * it, so there may be some; but then each continues the registry, and an item that was altered doesn't.
   *
   * @throws EvidenceError `registry-mismatch`
   */
  checkAhead(size: number): void {
    for (const [n, item] of this.#items.slice(this.keys.count).entries()) {
      try {
        this.keys.apply(item, size + n);
      } catch (cause) {
        const reason = `registry item ${item.claims.seq} is neither among the entries nor the next one`;
        throw new EvidenceError(
          "registry-mismatch",
          `${reason}: give another copy of the registry`,
          {},
          cause,
        );
      }
    }
  }

  #checkPolicy(item: RegistryItem): void {
    const { origin, key } = this.#own;
    if (item.kind === "policy" && item.origin === origin && equalBytes(item.log.kid, key.kid)) return;
    throw new EvidenceError("entry-zero", `entry 0 is not the policy of ${origin} under its key`);
  }
}

const sameHash = (item: Statement, other: Statement | undefined): boolean =>
  other === undefined || equalBytes(item.hash, other.hash);
