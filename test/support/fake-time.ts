/**
 * Time that a test owns: nothing happens until it says so.
 *
 * @module
 */
import type { Timer } from "@tallystick/evidence/node";
import { setImmediate as turn } from "node:timers/promises";

/** Turns of the event loop after which whatever needs no outside event has happened. */
const TURNS = 25;

export class FakeTime implements Timer {
  nowMs = 0;
  readonly #waiting = new Map<symbol, { readonly dueMs: number; readonly run: () => void }>();

  readonly monotonicMs = (): number => this.nowMs;

  after(waitMs: number, run: () => void): () => void {
    const key = Symbol("timer");
    this.#waiting.set(key, { dueMs: this.nowMs + Math.max(0, waitMs), run });
    return () => this.#waiting.delete(key);
  }

  /** Timers that are set. */
  get timers(): number {
    return this.#waiting.size;
  }

  /** Forgets every timer: whoever set them is gone. */
  clear(): void {
    this.#waiting.clear();
  }

  /** Lets `ms` pass: each timer runs at its moment, and what it starts is given its turn. */
  async advance(ms: number): Promise<void> {
    const endMs = this.nowMs + ms;
    await settle();
    for (;;) {
      const next = [...this.#waiting].toSorted(([, a], [, b]) => a.dueMs - b.dueMs)[0];
      if (next === undefined || next[1].dueMs > endMs) break;
      const [key, { dueMs, run }] = next;
      this.#waiting.delete(key);
      this.nowMs = Math.max(this.nowMs, dueMs);
      run();
      await settle();
    }
    this.nowMs = Math.max(this.nowMs, endMs); // what ran may have taken time itself
    await settle();
  }
}

/** Lets everything happen that waits for nothing but its turn. */
async function settle(): Promise<void> {
  for (let i = 0; i < TURNS; i++) await turn();
}
