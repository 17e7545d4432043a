/**
 * What a worker tells without being asked, in memory that it shares with whoever watches over it: which case it is at, and since when.
 *
 * @module
 */

/** Slots: number of the target, number of the case, and milliseconds at which it began, modulo 2^31; -1 where it is at none. */
const TARGET = 0;
const NUMBER = 1;
const SINCE = 2;
const SLOTS = 3;

export class CaseClock {
  readonly memory: SharedArrayBuffer;
  readonly #slots: Int32Array;

  constructor(memory = new SharedArrayBuffer(4 * SLOTS)) {
    this.memory = memory;
    this.#slots = new Int32Array(memory);
  }

  begin(target: number, number: number): void {
    Atomics.store(this.#slots, TARGET, target);
    Atomics.store(this.#slots, NUMBER, number);
    Atomics.store(this.#slots, SINCE, nowMs());
  }

  idle(): void {
    Atomics.store(this.#slots, SINCE, -1);
  }

  /** The case that runs, and for how long; undefined between cases. */
  look(): { readonly target: number; readonly number: number; readonly forMs: number } | undefined {
    const since = Atomics.load(this.#slots, SINCE);
    if (since < 0) return undefined;
    return {
      target: Atomics.load(this.#slots, TARGET),
      number: Atomics.load(this.#slots, NUMBER),
      forMs: (nowMs() - since) & 0x7fffffff,
    };
  }
}

/** Threads of one process have one clock, and each its own zero: the origin brings them together. */
const nowMs = (): number => Math.floor(performance.timeOrigin + performance.now()) & 0x7fffffff;
