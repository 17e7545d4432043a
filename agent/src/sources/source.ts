/**
 * What a source of readings is: bytes from a device come in, decoded values with their times go out.
 * A source knows nothing of journals, signing or MQTT.
 *
 * @module
 */
import type { DeclaredName, Decimal, EvidenceCode, Event, Reading } from "@tallystick/evidence";
import type { Clock } from "../clock/clock.ts";

/**
 * A register or other object that a source delivers, as `stream-opened` lists it.
 * `digits` are the widths in which the device prints a number (001581.123 is 6 + 3), null where it isn't one.
 */
export type Register = DeclaredName;

/** One frame's worth of decoded values. */
export type Observation = {
  readonly readings: readonly Reading[];
  /** What the readings are, in their order; none for a reading whose value the device itself calls faulty. */
  readonly registers: readonly Register[];
  /** The meter's own id; absent where the device has none. */
  readonly meter?: string;
  /** The time that the frame itself carries, Unix seconds. */
  readonly deviceTime?: Decimal;
  readonly receivedUnixMs: number;
  /** Device times, as sent, of readings whose device time names no moment (no zone): by reading name. */
  readonly stamps?: ReadonlyMap<string, string>;
  /** The frame as received; only where the configuration asks for it. */
  readonly raw?: Uint8Array;
};

/** Counted since the start of the process, for metrics and `doctor`. */
export type SourceCounters = {
  framesGood: number;
  /** Frames refused, by code. */
  readonly framesBad: Map<EvidenceCode, number>;
  /** Bytes that belonged to no good frame. */
  bytesSkipped: number;
  /** Times the line was lost or could not be had. */
  reconnects: number;
};

/** What a source is given by the agent around it. */
export type SourceContext = {
  readonly clock: Clock;
  readonly log: { info(message: string): void; warn(message: string): void };
};

/**
 * A source of observations.
 *
 * Back-pressure is the pull of the iterator: while nobody pulls, the source stops reading its device, and holds at most
 * one frame and one chunk. While nobody has its iterator, its device is given back; {@link observations} is called anew to go on. A device that is missing, busy or silent is tried again for ever and is never an error of
 * the iterator; it ends when `signal` is aborted.
 */
export interface Source {
  readonly kind: string;
  /** Seconds expected between observations; 0 when they come as they come. */
  readonly intervalS: number;
  readonly counters: SourceCounters;
  observations(signal: AbortSignal): AsyncIterable<Observation>;
}

/** What sampling hands on to the journal. */
export type Sampled =
  | {
      readonly kind: "readings";
      readonly readings: readonly Reading[];
      readonly registers: readonly Register[];
      readonly meter?: string;
    }
  | { readonly kind: "event"; readonly event: Event };

export const newSourceCounters = (): SourceCounters => ({
  framesGood: 0,
  framesBad: new Map(),
  bytesSkipped: 0,
  reconnects: 0,
});
