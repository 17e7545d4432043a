/**
 * A meter that doesn't wait: it says its number when the test lets it, and whoever isn't listening has missed it.
 *
 * @module
 */
import { decimal } from "@tallystick/evidence";
import {
  newSourceCounters,
  type Observation,
  type Register,
  type Source,
} from "../../agent/src/sources/source.ts";

/** Readings of each observation; all say the same number, under names of their own. */
export type MeterOptions = {
  readonly everyMs: number;
  readonly names: number;
  /** The gateway's time of day. */
  readonly nowUnixMs: () => number;
  /** Observations that its line holds while nobody reads it; what comes then is lost. */
  readonly holds?: number;
  /** Its telegrams carry its own time, and are stamped where they arrive. */
  readonly hasClock?: boolean;
};

type Said = { readonly number: number; readonly atUnixMs: number };

export class LiveMeter implements Source {
  readonly kind = "live";
  readonly intervalS: number;
  readonly counters = newSourceCounters();
  /** When it said each of its numbers, 1 onwards. */
  readonly said: number[] = [];
  readonly #options: MeterOptions;
  readonly #registers: readonly Register[];
  /** Of each open line what wasn't taken yet, as a socket would hold it. */
  readonly #lines = new Set<{ readonly queue: Said[]; wake: () => void }>();

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
    const line = { queue: [] as Said[], wake: (): void => {} };
    this.#lines.add(line);
    signal.addEventListener("abort", () => line.wake());
    try {
      while (!signal.aborted) {
        const next = line.queue.shift();
        if (next !== undefined) yield this.#observation(next);
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
  say(atUnixMs = this.#options.nowUnixMs()): void {
    const { holds = Infinity } = this.#options;
    this.said.push(atUnixMs);
    for (const line of this.#lines) {
      if (line.queue.length < holds) line.queue.push({ number: this.said.length, atUnixMs });
      line.wake();
    }
  }

  #observation({ number, atUnixMs }: Said): Observation {
    const { hasClock = false, nowUnixMs } = this.#options;
    const receivedUnixMs = nowUnixMs();
    const time = decimal(atUnixMs, -3);
    const timed = hasClock
      ? { time, quality: [], received: decimal(receivedUnixMs, -3) }
      : { time, quality: ["gateway-time" as const] };
    const readings = this.#registers.map(({ name }) => ({
      name,
      unit: "kWh",
      value: { v: decimal(number) },
      ...timed,
    }));
    return { readings, registers: this.#registers, receivedUnixMs };
  }
}
