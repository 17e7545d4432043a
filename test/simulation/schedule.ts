/**
 * Time and order of one simulated world. Whatever waits, waits here; what is due at one moment runs in an order that the seed decides. Between two events
 * every promise that can be kept has been kept, so that an event is one step from await to await.
 *
 * @module
 */
import type { Random } from "./random.ts";

type Due = {
  readonly atMs: number;
  readonly tie: number;
  readonly run: () => void;
  readonly label: string;
  cancelled: boolean;
};

export class Schedule {
  #nowMs = 0;
  #steps = 0;
  readonly #random: Random;
  /** A binary heap: the next one is first. */
  readonly #heap: Due[] = [];
  /** Called with the label of each event, before it runs. */
  onStep: (label: string) => void = () => {};

  /** Called with what an event throws: nobody else is there to catch it. */
  onThrow: (error: unknown) => void = (error) => {
    throw error;
  };

  constructor(random: Random) {
    this.#random = random;
  }

  /** Milliseconds since the world began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Events so far. */
  get steps(): number {
    return this.#steps;
  }

  /** Calls `run` once, `waitMs` from now; the function returned cancels it. */
  after(waitMs: number, label: string, run: () => void): () => void {
    const atMs = this.#nowMs + Math.max(0, waitMs);
    const due: Due = { atMs, tie: this.#random.unit(), run, label, cancelled: false };
    this.#push(due);
    return () => {
      due.cancelled = true;
    };
  }

  /** Lets events happen up to `endMs`, or until `enough` says so after one of them. */
  async run(endMs: number, enough: () => boolean = () => false): Promise<void> {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) break;
      this.#pop();
      if (next.cancelled) continue;
      this.#nowMs = Math.max(this.#nowMs, next.atMs);
      this.#steps += 1;
      this.onStep(next.label);
      try {
        next.run();
      } catch (error) {
        this.onThrow(error);
      }
      await turn();
      if (enough()) return;
    }
    this.#nowMs = Math.max(this.#nowMs, endMs);
  }

  #push(due: Due): void {
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!before(due, heap[above])) break;
      heap[at] = heap[above] as Due;
      at = above;
    }
    heap[at] = due;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= heap.length) break;
      if (below + 1 < heap.length && before(heap[below + 1] as Due, heap[below])) below += 1;
      if (!before(heap[below] as Due, last)) break;
      heap[at] = heap[below] as Due;
      at = below;
    }
    heap[at] = last;
  }
}

const before = (a: Due, b: Due | undefined): boolean =>
  b !== undefined && (a.atMs < b.atMs || (a.atMs === b.atMs && a.tie < b.tie));

/** Nothing in a simulated world waits for the event loop: after one turn of it every promise that can be kept has been. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
