/**
 * Time that passes as fast as the work is done: timers fire in their order, and between two of them the clock jumps.
 *
 * @module
 */
import type { Timer } from "@tallystick/evidence/node";

type Due = { readonly atMs: number; readonly run: () => void; cancelled: boolean };

export class VirtualTime implements Timer {
  #nowMs = 0;
  /** Sorted: the next one is last. */
  #due: Due[] = [];

  readonly monotonicMs = (): number => this.#nowMs;

  after(waitMs: number, run: () => void): () => void {
    const due: Due = { atMs: this.#nowMs + Math.max(0, waitMs), run, cancelled: false };
    let low = 0;
    let high = this.#due.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#due[middle]?.atMs ?? 0) > due.atMs) low = middle + 1;
      else high = middle;
    }
    this.#due.splice(low, 0, due); // before those of the same moment, so that these come first
    return () => {
      due.cancelled = true;
    };
  }

  /** Lets time pass until `endMs`. Whatever a timer set off has come to rest before the next one fires. */
  async passUntil(endMs: number): Promise<void> {
    await settled();
    for (let next = this.#due.at(-1); next !== undefined && next.atMs <= endMs; next = this.#due.at(-1)) {
      this.#due.pop();
      if (next.cancelled) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      next.run();
      await settled();
    }
    this.#nowMs = endMs;
  }
}

/** Nothing in here waits for anything but promises that are kept at once. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
