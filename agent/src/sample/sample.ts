/**
 * From what a source delivers to what is journalled: one sample every so often, nothing twice, and no meter swapped unseen.
 *
 * @module
 */
import {
  Decimal,
  formatDecimal,
  QUALITIES,
  RAW_NAME,
  toHex,
  type Event,
  type Measured,
  type Quality,
  type Reading,
} from "@tallystick/evidence";
import type { Clock } from "../clock/clock.ts";
import type { Observation, Sampled } from "../sources/source.ts";

/** Names whose last value is remembered; a meter has some forty. Beyond, the one seen longest ago is forgotten. */
const MAX_NAMES = 1024;
/** Device times remembered of each name: a device may say the one before again, after the newest. */
const MAX_TIMES = 8;
/** Values remembered for one name and time; beyond, each counts as another one. */
const MAX_VALUES = 8;
/** Registers that a `meter-changed` event lists of each meter. */
const MAX_REGISTERS = 128;
/** How much before its time a sample may be taken, at most. */
const MAX_EARLY_MS = 500;

export type SamplerOptions = {
  /** Seconds between samples; 0 takes each observation. */
  readonly everyS: number;
  /** The meter that this stream belongs to, from an earlier run; without it the first one seen. */
  readonly meter?: string;
  /** What earlier runs journalled last of each name, oldest first. */
  readonly told?: readonly Reading[];
  readonly clock: Pick<Clock, "monotonicMs">;
  /** To count in, where several samplers are counted together. */
  readonly counters?: SamplerCounters;
};

export type SamplerCounters = {
  /** Observations between samples. */
  passedOver: number;
  /** Readings whose name, device time and value were journalled already. */
  repeats: number;
  /** Readings with another value for a name and device time journalled already. */
  conflicts: number;
  /** Observations without checksum that named another meter just once. */
  unconfirmedMeters: number;
};

export const newSamplerCounters = (): SamplerCounters => ({
  passedOver: 0,
  repeats: 0,
  conflicts: 0,
  unconfirmedMeters: 0,
});

/** What was journalled of a name: the device times taken last, and the values that it had then. */
type Remembered = Map<string, Set<string>>;

/** One for each stream. Memory is bounded whatever the device sends. */
export class Sampler {
  readonly counters: SamplerCounters;
  readonly #everyMs: number;
  readonly #clock: Pick<Clock, "monotonicMs">;
  readonly #remembered = new Map<string, Remembered>();
  #meter: string | undefined;
  #unconfirmed: string | undefined;
  #last: Observation | undefined;
  #dueMs = -Infinity;

  constructor({ everyS, meter, told = [], clock, counters = newSamplerCounters() }: SamplerOptions) {
    this.counters = counters;
    this.#everyMs = everyS * 1000;
    this.#meter = meter;
    this.#clock = clock;
    for (const reading of told) {
      const time = deviceTimeOf(reading);
      if (time !== undefined) this.#note(reading, time);
    }
  }

  /** The meter now pinned: to be persisted, and given to the next sampler of this stream. */
  get meter(): string | undefined {
    return this.#meter;
  }

  /** What is to be journalled of `observation`: often nothing. */
  take(observation: Observation): readonly Sampled[] {
    const changed = this.#checkMeter(observation);
    if (changed === "unconfirmed") return [];
    this.#last = observation;
    const nowMs = this.#clock.monotonicMs();
    // A telegram that is a moment early is the one that is due: meters and gateways count seconds differently.
    if (nowMs < this.#dueMs - Math.min(this.#everyMs / 10, MAX_EARLY_MS)) {
      this.counters.passedOver += 1;
      return [];
    }
    // On schedule, so that samples don't drift by the wait for the next telegram; after a pause, a new schedule.
    const late = nowMs - this.#dueMs;
    this.#dueMs = (late < this.#everyMs ? this.#dueMs : nowMs) + this.#everyMs;
    const readings = observation.readings.flatMap((reading) => this.#judge(reading, observation) ?? []);
    const sampled: Sampled[] = changed === undefined ? [] : [{ kind: "event", event: changed }];
    if (readings.length > 0) {
      const { registers, raw } = observation;
      sampled.push({
        kind: "readings",
        readings: raw === undefined ? readings : [...readings, rawReading(raw, observation)],
        registers,
        ...(this.#meter === undefined ? {} : { meter: this.#meter }),
      });
    }
    return sampled;
  }

  /**
   * Another meter than the pinned one becomes the pinned one, and says so. Without a checksum one spoiled digit would look
   * the same: such a telegram is believed when the next one agrees.
   */
  #checkMeter(observation: Observation): Event | "unconfirmed" | undefined {
    const { meter } = observation;
    const known = this.#meter;
    const confirmed = meter === this.#unconfirmed;
    this.#unconfirmed = undefined;
    if (meter === undefined || meter === known) return undefined;
    if (known === undefined) {
      this.#meter = meter;
      return undefined;
    }
    if (!confirmed && observation.readings.some(({ quality }) => quality.includes("no-checksum"))) {
      this.#unconfirmed = meter;
      this.counters.unconfirmedMeters += 1;
      return "unconfirmed";
    }
    const last = this.#last;
    this.#meter = meter;
    this.#remembered.clear();
    this.#dueMs = -Infinity; // the new meter's first telegram is taken at once
    return {
      kind: "meter-changed",
      old: known,
      new: meter,
      ...(last === undefined ? {} : { last: countersOf(last) }),
      first: countersOf(observation),
    };
  }

  /** The reading as it is journalled; undefined where it was journalled before. */
  #judge(reading: Reading, { stamps }: Observation): Reading | undefined {
    const time = deviceTimeOf(reading, stamps);
    if (time === undefined) return reading;
    switch (this.#note(reading, time)) {
      case "new":
        return reading;
      case "repeat":
        this.counters.repeats += 1;
        return undefined;
      case "conflict":
        this.counters.conflicts += 1;
        return withQuality(reading, "conflict");
    }
  }

  /** Remembers a reading, and says what it is beside what was remembered. */
  #note(reading: Reading, time: string): "new" | "repeat" | "conflict" {
    const value = valueKey(reading);
    const times: Remembered = this.#remembered.get(reading.name) ?? new Map<string, Set<string>>();
    this.#remembered.delete(reading.name); // and in again at the end: the map's order is that of use
    this.#remember(reading.name, times);
    const values = times.get(time);
    if (values === undefined) {
      times.set(time, new Set([value]));
      forgetOldest(times, MAX_TIMES);
      return "new";
    }
    if (values.has(value)) return "repeat";
    if (values.size < MAX_VALUES) values.add(value);
    return "conflict";
  }

  #remember(name: string, what: Remembered): void {
    this.#remembered.set(name, what);
    forgetOldest(this.#remembered, MAX_NAMES);
  }
}

/** Lets go of what was put in first, where there is more than may be. */
function forgetOldest(map: Map<string, unknown>, most: number): void {
  if (map.size <= most) return;
  const oldest = map.keys().next();
  if (oldest.done !== true) map.delete(oldest.value);
}

/** The stage: pulls an observation only when what came of the one before was taken, all of it together. */
export async function* sample(
  observations: AsyncIterable<Observation>,
  sampler: Sampler,
): AsyncGenerator<readonly Sampled[], void, undefined> {
  for await (const observation of observations) {
    const sampled = sampler.take(observation);
    if (sampled.length > 0) yield sampled;
  }
}

/** The time that the device gives, undefined where it gives none: then each arrival is a reading of its own. */
function deviceTimeOf(
  { name, time, quality }: Reading,
  stamps?: ReadonlyMap<string, string>,
): string | undefined {
  const stamp = stamps?.get(name);
  if (stamp !== undefined) return `stamp ${stamp}`;
  return time === null || quality.includes("gateway-time") ? undefined : formatDecimal(time);
}

/** Two readings say the same only if they do in every digit and in the unit: 1.5 kWh and 1.50 kWh differ. */
function valueKey({ unit = "", value }: Reading): string {
  if ("v" in value) return `v ${measuredText(value.v)} ${unit}`;
  if ("s" in value) return `s ${measuredText(value.s)} ${unit}`;
  if ("vs" in value) return `vs ${value.vs}`;
  return "vb" in value ? `vb ${value.vb}` : `vd ${toHex(value.vd)}`;
}

const measuredText = (measured: Measured): string =>
  measured instanceof Decimal ? formatDecimal(measured) : String(measured.value);

const withQuality = (reading: Reading, added: Quality): Reading => ({
  ...reading,
  quality: QUALITIES.filter((one) => one === added || reading.quality.includes(one)),
});

/** The frame as received, with the time and the doubts of the frame's first reading. */
function rawReading(raw: Uint8Array, { readings: [first] }: Observation): Reading {
  const quality = (first?.quality ?? []).filter((one) => one !== "device-error");
  return {
    name: RAW_NAME,
    value: { vd: raw },
    time: first?.time ?? null,
    quality,
    ...(first?.received === undefined ? {} : { received: first.received }),
  };
}

/** The numbers of an observation that only rise. */
function countersOf({ readings, registers }: Observation): { name: string; value: Decimal }[] {
  const counters = new Set(registers.filter(({ type }) => type === "counter").map(({ name }) => name));
  return readings
    .flatMap(({ name, value }) =>
      counters.has(name) && "v" in value && value.v instanceof Decimal ? [{ name, value: value.v }] : [],
    )
    .slice(0, MAX_REGISTERS);
}
