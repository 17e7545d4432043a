/**
 * One life of one process, from its start to its end. Everything that the process does to the world goes through its life; once that is over, nothing of it
 * touches anything: its timers don't fire, its waits never end, and what it calls throws.
 *
 * A process can be made to die at any moment between two effects, which is all that the world could tell apart.
 *
 * @module
 */
import type { Schedule } from "./schedule.ts";

/** Thrown into the program where it dies. */
export class PowerCut extends Error {
  override readonly name = "PowerCut";
}

/** An error in words, for a trace. */
export const wordsOf = (error: unknown): string =>
  error instanceof Error ? `${error.name}: ${error.message}` : JSON.stringify(error);

/** True where it comes of a life's end, however it was wrapped. */
export function isPowerCut(error: unknown): boolean {
  if (error instanceof PowerCut) return true;
  if (error instanceof AggregateError) return error.errors.some(isPowerCut);
  return error instanceof Error && error.cause !== undefined && isPowerCut(error.cause);
}

export class Life {
  readonly name: string;
  #diskFailedMs: number | undefined;
  readonly #schedule: Schedule;
  readonly #onDeath: (life: Life) => void;
  #alive = true;
  #effectsLeft = Infinity;
  #onEnd: (() => void)[] = [];

  /** @param onDeath - called at once when it dies at an effect; not for {@link end} */
  constructor(name: string, schedule: Schedule, onDeath: (life: Life) => void) {
    this.name = name;
    this.#schedule = schedule;
    this.#onDeath = onDeath;
  }

  /** When a fault of the disk was first put in its way: it may, and has to, end of it. */
  get diskFailedMs(): number | undefined {
    return this.#diskFailedMs;
  }

  get diskFailed(): boolean {
    return this.#diskFailedMs !== undefined;
  }

  /** The disk refuses something. */
  diskFails(): void {
    this.#diskFailedMs ??= this.#schedule.nowMs;
  }

  get alive(): boolean {
    return this.#alive;
  }

  /** Lets it die at the effect after so many more. */
  dieAfter(effects: number): void {
    this.#effectsLeft = effects;
  }

  /** Over, by whatever ended it. */
  end(): void {
    this.#alive = false;
    const listeners = this.#onEnd;
    this.#onEnd = [];
    for (const listener of listeners) listener();
  }

  /** Calls `listener` once when it is over: what the operating system closes for it. */
  onEnd(listener: () => void): void {
    this.#onEnd.push(listener);
  }

  /** To be called before each effect on the world, and once more after those of which the world knows before the process does. */
  effect(): void {
    if (this.#alive && --this.#effectsLeft < 0) {
      this.end();
      this.#onDeath(this);
    }
    if (!this.#alive) throw new PowerCut(`${this.name} is dead`);
  }

  /** @throws PowerCut where it is dead; costs nothing else */
  check(): void {
    if (!this.#alive) throw new PowerCut(`${this.name} is dead`);
  }

  /** A timer of this process. */
  after(waitMs: number, label: string, run: () => void): () => void {
    return this.#schedule.after(waitMs, `${this.name}: ${label}`, () => {
      if (this.#alive) run();
    });
  }

  /** As Node's setTimeout: whole milliseconds, one at least. */
  readonly timer = (waitMs: number, run: () => void): (() => void) =>
    this.after(Math.max(1, Math.trunc(waitMs)), "timer", run);

  /** Resolves in so many milliseconds, unless the process is dead by then. */
  wait(waitMs: number, label: string): Promise<void> {
    return new Promise((resolve) => {
      this.after(waitMs, label, resolve);
    });
  }
}
