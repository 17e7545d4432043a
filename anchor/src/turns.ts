/**
 * Turns for long work on the main thread: whoever is at it does a slice and waits for the next turn, and of all who wait one goes on in each round of the event loop. So it is never
 * held longer than by one slice, however many are asked for at once.
 *
 * @module
 */
export class Turns {
  readonly #waiting: (() => void)[] = [];

  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (this.#waiting.length === 1) this.#later();
    });
  }

  #later(): void {
    setImmediate(() => {
      this.#waiting.shift()?.();
      if (this.#waiting.length > 0) this.#later();
    });
  }
}
