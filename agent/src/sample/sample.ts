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
import { Hourly } from "../clock/hourly.ts";
import { gapTime } from "../seal/gaps.ts";
import type { Observation, Sampled } from "../sources/source.ts";
import { ownCopy, Remembered } from "./remembered.ts";
import type { Since } from "./unread.ts";

/** Registers that a `meter-changed` event lists of each meter. */
const MAX_REGISTERS = 128;
/** How much before its time a sample may be taken, at most. */
const MAX_EARLY_MS = 500;
/** Changes of the meter that a source may bring in any hour: each is a statement, and is taken whether a sample is due or not. */
const MAX_CHANGES = 12;
/** The reason of a gap that tells of samples left out because they were another meter's, again and again. */
const OTHER_METER = "other-meter";

export type SamplerOptions = {
  /** Seconds between samples; 0 takes each observation. */
  readonly everyS: number;
  /** The meter that this stream belongs to, from an earlier run; without it the first one seen. */
  readonly meter?: string;
  /** What earlier runs journalled last of each name, oldest first. */
  readonly told?: readonly Reading[];
  readonly clock: Clock;
  /** Changes of the meter taken in any hour; what is left out beyond is told. */
  readonly maxChanges?: number;
  /** To count in, where several samplers are counted together. */
  readonly counters?: SamplerCounters;
};

export type SamplerCounters = {
  /** Observations between samples, and those left out since their meter was another one again and again. */
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

/** One for each stream. Memory is bounded whatever the device sends: that of {@link Remembered}, and the last observation. */
export class Sampler {
  readonly counters: SamplerCounters;
  readonly #everyMs: number;
  readonly #clock: Clock;
  readonly #changes: Hourly;
  readonly #remembered = new Remembered();
  #meter: string | undefined;
  #unconfirmed: string | undefined;
  #last: Observation | undefined;
  #dueMs = -Infinity;
  /** Samples of another meter that no gap tells of yet: since when, and how many readings. */
  #leftOut: (Since & { readonly count: number }) | undefined;
  #leftOutDueMs = -Infinity;

  constructor({
    everyS,
    meter,
    told = [],
    clock,
    maxChanges = MAX_CHANGES,
    counters = newSamplerCounters(),
  }: SamplerOptions) {
    this.counters = counters;
    this.#everyMs = everyS * 1000;
    this.#meter = meter;
    this.#clock = clock;
    this.#changes = new Hourly(maxChanges, clock);
    for (const reading of told) {
      const time = deviceTimeOf(reading);
      if (time !== undefined) this.#remembered.note(reading.name, time, valueKey(reading));
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
    if (changed === "too-often") {
      this.#leaveOut(observation);
      return [];
    }
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
    const sampled: Sampled[] = [];
    if (this.#leftOut !== undefined && (changed !== undefined || this.#changes.take()))
      sampled.push(...this.end());
    if (changed !== undefined) sampled.push({ kind: "event", event: changed });
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
   * the same: such a telegram is believed when the next one agrees. Two meters on one line would change places with every telegram: beyond what an
   * hour allows, the pinned one stays.
   */
  #checkMeter(observation: Observation): Event | "unconfirmed" | "too-often" | undefined {
    const { meter } = observation;
    const known = this.#meter;
    const confirmed = meter === this.#unconfirmed;
    this.#unconfirmed = undefined;
    if (meter === undefined || meter === known) return undefined;
    if (known === undefined) {
      this.#meter = ownCopy(meter);
      return undefined;
    }
    if (!confirmed && observation.readings.some(({ quality }) => quality.includes("no-checksum"))) {
      this.#unconfirmed = ownCopy(meter);
      this.counters.unconfirmedMeters += 1;
      return "unconfirmed";
    }
    if (!this.#changes.take()) {
      this.#unconfirmed = ownCopy(meter); // it has been confirmed
      return "too-often";
    }
    const last = this.#last;
    this.#meter = ownCopy(meter);
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

  /** Counts what would have been a sample, did the other meter have the stream. */
  #leaveOut({ readings }: Observation): void {
    this.counters.passedOver += 1;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#leftOutDueMs) return;
    this.#leftOutDueMs = nowMs + this.#everyMs;
    const { timeUnixMs, tq } = this.#clock.now();
    const { count, ...since } = this.#leftOut ?? { since: timeUnixMs, tq, count: 0 };
    this.#leftOut = { ...since, count: count + readings.length };
  }

  /** What no gap tells of yet: to be told with the change that ends it, once the hour allows, or where nothing more is taken. */
  end(): readonly Sampled[] {
    if (this.#leftOut === undefined) return [];
    const { count, ...since } = this.#leftOut;
    this.#leftOut = undefined;
    const time = gapTime(since, this.#clock.now(), this.#clock.monotonicMs());
    return [{ kind: "event", event: { kind: "gap", reason: OTHER_METER, count, time } }];
  }

  /** The reading as it is journalled; undefined where it was journalled before. */
  #judge(reading: Reading, { stamps }: Observation): Reading | undefined {
    const time = deviceTimeOf(reading, stamps);
    if (time === undefined) return reading;
    switch (this.#remembered.note(reading.name, time, valueKey(reading))) {
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
  const rest = sampler.end();
  if (rest.length > 0) yield rest;
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
