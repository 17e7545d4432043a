/**
 * One stream of a program: its lines become journal entries of `lvl` 0, imported, since the agent can't say where they come from.
 *
 * Nothing is told of times in which the program was not read. What it has not been told is kept stays with it and comes later; for what it never
 * prints, nobody here can speak.
 *
 * @module
 */
import { decimal, QUALITIES, type Event, type Reading } from "@tallystick/evidence";
import type { Time } from "../clock/clock.ts";
import {
  baseName,
  eventEntry,
  readingEntries,
  type Entry,
  type Journal,
  type Stamp,
} from "../storage/journal.ts";
import type { Line } from "./lines.ts";
import { Pending, type PendingParts } from "../seal/pending.ts";
import type { Sampler } from "../sample/sample.ts";
import type { Observation, Sampled } from "../sources/source.ts";
import type { SaidReading } from "../sources/exec/line.ts";
import type { Timekeeping } from "../clock/timekeeping.ts";

const IMPORTED = 0;
/** How far ahead of the gateway's clock a time may be before it is marked `future`. */
const FUTURE_S = 3600;
/** Who takes lines writes the journal after each batch; this is for the case that it never comes to that. */
const MAX_LOSS_MS = 1000;

export type ImportedParts = PendingParts & {
  readonly time: Timekeeping;
  readonly journal: Journal;
  readonly sampler: Sampler;
};

export class ImportedStream {
  readonly #parts: ImportedParts;
  readonly #pending: Pending;
  /** An event waits to be sealed. */
  #hasEvent = false;

  /** @param recovered - what an earlier run journalled and didn't seal */
  constructor(parts: ImportedParts, recovered: readonly Entry[]) {
    this.#parts = parts;
    this.#pending = new Pending(parts, recovered);
  }

  /**
   * Looks at a reading, and gives what takes it. The journal isn't written by that.
   *
   * @throws EvidenceError of what can't be sealed: nothing is taken then, and nothing remembered
   */
  reading(said: SaidReading, stamp: Stamp, line: Line): () => Promise<void> {
    const { sampler, journal, time, sub } = this.#parts;
    const observation = observationOf(said, time.now());
    this.#entriesOf({ kind: "readings", ...observation }, stamp);
    return async () => {
      const sampled = sampler.take(observation);
      if (sampled.length === 0) journal.repeat(line, sub);
      for (const one of sampled) await this.#take(one, stamp, one === sampled.at(-1) ? line : undefined);
    };
  }

  /** As {@link reading}, for an event. @throws EvidenceError */
  event(event: Event, stamp: Stamp, line: Line): () => Promise<void> {
    const sampled: Sampled = { kind: "event", event };
    this.#entriesOf(sampled, stamp);
    return () => this.#take(sampled, stamp, line);
  }

  async #take(sampled: Sampled, stamp: Stamp, line: Line | undefined): Promise<void> {
    const entries = this.#entriesOf(sampled, stamp);
    await this.#pending.declare(sampled.kind === "readings" ? sampled : { registers: [] });
    for (const entry of entries) {
      const isLast = entry === entries.at(-1);
      this.#pending.append(isLast && line !== undefined ? { ...entry, line } : entry, MAX_LOSS_MS);
    }
    this.#hasEvent ||= sampled.kind === "event";
  }

  #entriesOf(sampled: Sampled, stamp: Stamp): readonly Entry[] {
    const { iss, sub, seal } = this.#parts;
    if (sampled.kind === "event") return [eventEntry(sub, sampled.event, stamp, IMPORTED)];
    const { readings } = sampled;
    // Readings without a time go into a statement that claims none either.
    const tq = readings.some(({ time }) => time === null) ? 0 : stamp.tq;
    const { maxItems } = seal;
    return readingEntries(baseName(iss, sub), {
      sub,
      readings,
      stamp: { ...stamp, tq },
      maxItems,
      level: IMPORTED,
    });
  }

  /** After the journal was written: seals what is due, as far as there is room. */
  async sealDue(signal: AbortSignal): Promise<void> {
    const { outbox } = this.#parts;
    if (this.#hasEvent) await this.seal();
    while (this.#pending.isFull && !outbox.stopped) await this.#pending.seal();
    this.#pending.sealInTime(signal);
  }

  /** Seals all that is pending, unless there is no room for it. */
  async seal(): Promise<void> {
    this.#hasEvent = false;
    await this.#pending.seal();
  }

  /** Seals nothing more by itself. */
  cancel(): void {
    this.#pending.cancel();
  }
}

function observationOf(said: SaidReading, { timeUnixMs, tq }: Time): Observation {
  const { register, value, time: told, meter } = said;
  const arrival = tq === 0 ? null : decimal(timeUnixMs, -3);
  const quality = new Set(said.quality);
  if (told === undefined) quality.add("gateway-time");
  else if (tq >= 2 && Number(told.mantissa) * 10 ** told.exponent - timeUnixMs / 1000 > FUTURE_S)
    quality.add("future");
  const reading: Reading = {
    name: register.name,
    ...(register.unit === null ? {} : { unit: register.unit }),
    value,
    time: told ?? arrival,
    quality: QUALITIES.filter((one) => quality.has(one)),
    ...(told === undefined || arrival === null ? {} : { received: arrival }),
  };
  return {
    readings: [reading],
    registers: [register],
    receivedUnixMs: timeUnixMs,
    ...(told === undefined ? {} : { deviceTime: told }),
    ...(meter === undefined ? {} : { meter }),
  };
}
