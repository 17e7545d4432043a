/**
 * The bounded waiting room between intake and commit. A statement enters when its signature is about to be checked, and leaves with an index
 * or a reason. While the room is full, PUBACK waits; nothing else does.
 *
 * @module
 */

export type PoolLimits = {
  /** Statements that may wait at once. */
  readonly maxItems: number;
  /** Bytes that they may have together. */
  readonly maxBytes: number;
};

/**
 * Counts what waits. One message may overfill it, since its statements are known only once it was read; the next message then waits.
 */
export class Pool {
  readonly #limits: PoolLimits;
  /** Whether anybody takes statements out. While nobody does, who waited for room would wait for ever. */
  draining = true;
  #items = 0;
  #bytes = 0;
  /** Called once each, in order, when there is room. */
  #waiting: (() => void)[] = [];

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  get items(): number {
    return this.#items;
  }

  get full(): boolean {
    return this.#items >= this.#limits.maxItems || this.#bytes >= this.#limits.maxBytes;
  }

  /** True where there is no room and none is made: what comes now has to be let go, and will come again. */
  get overflows(): boolean {
    return !this.draining && this.full;
  }

  enter(bytes: number): void {
    this.#items++;
    this.#bytes += bytes;
  }

  leave(bytes: number): void {
    this.#items--;
    this.#bytes -= bytes;
    if (this.#waiting.length === 0 || this.full) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const resume of waiting) resume();
  }

  /** Calls `resume` as soon as there is room: at once, or when somebody has left; at once as well where nobody leaves yet. */
  whenRoom(resume: () => void): void {
    if (this.full && this.draining) this.#waiting.push(resume);
    else resume();
  }
}
