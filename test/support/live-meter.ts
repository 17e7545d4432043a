/**
 * A meter that doesn't wait: it says its number when the test lets it, and whoever isn't listening has missed it.
 *
 * @module
 */
import { decimal } from "@tallystick/evidence";
import { newSourceCounters, type Observation, type Register, type Source } from "../../agent/src/source.ts";

/** Readings of each observation; all say the same number, under names of their own. */
export type MeterOptions = {
  readonly everyMs: number;
  readonly names: number;
  /** The gateway's time of day. */
  readonly nowUnixMs: () => number;
};

export class LiveMeter implements Source {
  readonly kind = "live";
  readonly intervalS: number;
  readonly counters = newSourceCounters();
  /** When it said each of its numbers, 1 onwards. */
  readonly said: number[] = [];
  readonly #options: MeterOptions;
  readonly #registers: readonly Register[];
  /** Of each open line what wasn't taken yet, as a socket would hold it. */
  readonly #lines = new Set<{ readonly queue: Observation[]; wake: () => void }>();

  constructor(options: MeterOptions) {
    this.intervalS = options.everyMs / 1000;
    this.#options = options;
    this.#registers = Array.from({ length: options.names }, (_, i) => ({
      name: `1-0:${i}.8.0`,
      unit: "kWh",
      type: "counter",
      digits: { whole: 9, fraction: 0 },
    }));
  }

  /** Open lines. */
  get lines(): number {
    return this.#lines.size;
  }

  async *observations(signal: AbortSignal): AsyncGenerator<Observation, void, undefined> {
    const line = { queue: [] as Observation[], wake: (): void => {} };
    this.#lines.add(line);
    signal.addEventListener("abort", () => line.wake());
    try {
      while (!signal.aborted) {
        const next = line.queue.shift();
        if (next !== undefined) yield next;
        else
          await new Promise<void>((resolve) => {
            line.wake = resolve;
          });
      }
    } finally {
      this.#lines.delete(line);
    }
  }

  /** As when the gateway lost its power: whoever listened is gone. */
  cut(): void {
    this.#lines.clear();
  }

  /** Says the next number, to whoever listens. */
  say(): void {
    const receivedUnixMs = this.#options.nowUnixMs();
    this.said.push(receivedUnixMs);
    const readings = this.#registers.map(({ name }) => ({
      name,
      unit: "kWh",
      value: { v: decimal(this.said.length) },
      time: decimal(receivedUnixMs, -3),
      quality: ["gateway-time" as const],
    }));
    for (const line of this.#lines) {
      line.queue.push({ readings, registers: this.#registers, receivedUnixMs });
      line.wake();
    }
  }
}
