/**
 * What is ready to be sequenced, grouped into batches: a batch closes at `maxItems`, or `maxWaitMs` after its first item. While a batch is
 * out, the next one fills, so that a slow disk makes larger batches and not longer queues.
 *
 * @module
 */
import { machineTime, type Time } from "../time.ts";

export type BatchLimits = {
  /** Statements in one batch. */
  readonly maxItems: number;
  /** Longest wait for more after the first, milliseconds. */
  readonly maxWaitMs: number;
};

/** A queue with one reader. Its bound is the pool's: whatever is in here is counted there. */
export class Ready<T> {
  readonly #limits: BatchLimits;
  readonly #time: Pick<Time, "after">;
  #items: T[] = [];
  #closed = false;
  #due = false;
  #cancelTimer: (() => void) | undefined;
  #wake: (() => void) | undefined;

  constructor(limits: BatchLimits, time: Pick<Time, "after"> = machineTime) {
    this.#limits = limits;
    this.#time = time;
  }

  push(item: T): void {
    this.#items.push(item);
    this.#cancelTimer ??= this.#time.after(this.#limits.maxWaitMs, () => {
      this.#due = true;
      this.#wake?.();
    });
    if (this.#items.length >= this.#limits.maxItems) this.#wake?.();
  }

  /** Nothing more will come: what is left is the last batch. */
  close(): void {
    this.#closed = true;
    this.#wake?.();
  }

  /** The next batch; undefined once closed and empty. For one caller at a time. */
  async next(): Promise<T[] | undefined> {
    while (!this.#closed && !this.#due && this.#items.length < this.#limits.maxItems) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#wake = undefined;
    if (this.#items.length === 0 && this.#closed) return undefined;
    const batch = this.#items.splice(0, this.#limits.maxItems);
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#due = false;
    // What stayed behind filled a batch already once: it waits no more than any first item.
    if (this.#items.length > 0) {
      const rest = this.#items;
      this.#items = [];
      for (const item of rest) this.push(item);
    }
    return batch;
  }
}
