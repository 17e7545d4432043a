/**
 * A restored log on its way back to a whole one: what may be admitted while the devices were not heard, or while statements are missing.
 *
 * The ledger holds hashes. An entry whose statement is missing may hold any number of any chain of any device that was enrolled before it, so a new
 * statement of such a device could take a number that is spent already. So those devices wait until the statements are back, or until the
 * operator goes on without them (docs/restore.md).
 *
 * @module
 */
import type { KeyState } from "@tallystick/evidence";
import type { MissingStore } from "../storage/missing.ts";

export class Recovery {
  readonly #store: MissingStore;
  #missing: number;
  #newest: number;
  #hearing: boolean;
  readonly #givenUp: boolean;
  readonly #firstMissing: number;
  /** By device, log index of the first key it ever had; of those that there were when something was missing. */
  readonly #enrolled = new Map<string, number>();

  constructor(store: MissingStore, keys: Pick<KeyState, "records">) {
    const restored = store.restored();
    this.#store = store;
    this.#missing = store.count();
    this.#newest = store.newest();
    this.#hearing = restored !== undefined && !restored.heard;
    this.#givenUp = restored?.givenUp ?? false;
    this.#firstMissing = restored?.firstMissing ?? 0;
    if (this.#missing === 0) return;
    for (const { iss, enrolled } of keys.records()) {
      this.#enrolled.set(iss, Math.min(enrolled, this.#enrolled.get(iss) ?? enrolled));
    }
  }

  /** Entries whose statements are missing. */
  get missing(): number {
    return this.#missing;
  }

  /** True until the devices of a restored log were heard: nothing is signed before. */
  get hearing(): boolean {
    return this.#hearing;
  }

  /** The first entry whose statement was missing when the log was restored. */
  get firstMissing(): number {
    return this.#firstMissing;
  }

  /** Log index of the entry with this hash, where its statement is missing. */
  find(hash: Uint8Array): number | undefined {
    return this.#missing === 0 ? undefined : this.#store.find(hash);
  }

  /** True where new statements of this device have to wait. One that was enrolled after the newest missing entry can't have written any. */
  holds(iss: string): boolean {
    if (this.#hearing) return true;
    return this.#missing > 0 && !this.#givenUp && (this.#enrolled.get(iss) ?? Infinity) < this.#newest;
  }

  /** Entries after log index `after`, at most `limit`. */
  after(after: number, limit: number): ReturnType<MissingStore["after"]> {
    return this.#store.after(after, limit);
  }

  /** The statement of this entry is back. Within a transaction. */
  filled(index: number): void {
    this.#store.remove(index);
    this.#missing--;
    if (index === this.#newest) this.#newest = this.#store.newest();
  }

  /** The devices were heard, and none had anything newer. */
  heard(): void {
    if (!this.#hearing) return;
    this.#store.heard();
    this.#hearing = false;
  }
}
