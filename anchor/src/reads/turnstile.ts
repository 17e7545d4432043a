/**
 * How many pages are on their way at once: each may be megabytes, and whoever takes it slowly holds it.
 *
 * @module
 */
import { EvidenceError } from "@tallystick/evidence";

export class Turnstile {
  readonly #most: number;
  readonly #mostOfOne: number;
  #in = 0;
  readonly #byName = new Map<string, number>();

  constructor(most: number, mostOfOne: number) {
    this.#most = most;
    this.#mostOfOne = mostOfOne;
  }

  /**
   * Lets one in.
   *
   * @param onEnd - gets what lets it out again; it may be called more than once
   * @returns the same
   * @throws EvidenceError `rate-limited`
   */
  enter(name: string, onEnd: (leave: () => void) => void): () => void {
    const own = this.#byName.get(name) ?? 0;
    if (this.#in >= this.#most || own >= this.#mostOfOne)
      throw new EvidenceError("rate-limited", "too many pages are on their way: take those first");
    this.#in++;
    this.#byName.set(name, own + 1);
    let isIn = true;
    const leave = (): void => {
      if (!isIn) return;
      isIn = false;
      this.#in--;
      const left = (this.#byName.get(name) ?? 1) - 1;
      if (left === 0) this.#byName.delete(name);
      else this.#byName.set(name, left);
    };
    onEnd(leave);
    return leave;
  }
}
