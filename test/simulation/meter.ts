/**
 * A meter that counts: every telegram is another number, so that each is told from all others wherever it turns up. It goes on whether anybody reads it or not, and
 * holds one telegram at most.
 *
 * @module
 */
import { decimal, type Reading } from "@tallystick/evidence";
import {
  newSourceCounters,
  type Observation,
  type Register,
  type Source,
  type SourceContext,
} from "../../agent/src/sources/source.ts";
import type { Life } from "./life.ts";

const COUNTER: Register = {
  name: "1-0:1.8.0",
  unit: "kWh",
  type: "counter",
  digits: { whole: 6, fraction: 3 },
};
const LATER: Register = { ...COUNTER, name: "1-0:2.8.0" };

export class Meter {
  /** Numbers sent so far by this meter, and by all that share its counter. */
  readonly #numbers: { next: number };
  /** Told of each number that a running agent takes. */
  readonly #onTaken: (number: number, life: Life) => void;
  /** Shows another register from now on. */
  showsMore = false;
  id = "m-1";
  running = true;
  /** Telegrams that a running agent took. */
  taken = 0;
  #held: number | undefined;
  #wake = (): void => {};

  constructor(numbers: { next: number }, onTaken: (number: number, life: Life) => void) {
    this.#numbers = numbers;
    this.#onTaken = onTaken;
  }

  /** Sends the next telegram. One that nobody has taken is gone. */
  tick(): void {
    if (this.running) this.say();
  }

  /** Sends one, whether it goes on by itself or not. */
  say(): void {
    this.#held = this.#numbers.next++;
    this.#wake();
  }

  /** The line of one process to it. */
  source(life: Life, { clock }: SourceContext): Source {
    this.#held = undefined;
    const next = async (signal: AbortSignal): Promise<number | undefined> => {
      while (life.alive && !signal.aborted) {
        if (this.#held !== undefined) {
          const number = this.#held;
          this.#held = undefined;
          return number;
        }
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
          signal.addEventListener("abort", () => resolve());
        });
      }
      return undefined;
    };
    const take = (number: number): Observation => {
      this.taken += 1;
      this.#onTaken(number, life);
      return this.#observation(number, clock.now());
    };
    return {
      kind: "p1",
      intervalS: 1,
      counters: newSourceCounters(),
      async *observations(signal) {
        for (let number = await next(signal); number !== undefined; number = await next(signal)) {
          if (!life.alive) return;
          yield take(number);
        }
      },
    };
  }

  #observation(number: number, { timeUnixMs, tq }: { timeUnixMs: number; tq: number }): Observation {
    const reading = (name: string): Reading => ({
      name,
      unit: "kWh",
      value: { v: decimal(BigInt(number), -3) },
      time: tq === 0 ? null : decimal(BigInt(timeUnixMs), -3),
      quality: tq === 0 ? [] : ["gateway-time"],
    });
    const registers = this.showsMore ? [COUNTER, LATER] : [COUNTER];
    return {
      readings: registers.map(({ name }) => reading(name)),
      registers,
      meter: this.id,
      receivedUnixMs: timeUnixMs,
    };
  }
}
