/**
 * What is remembered of each device, and of each stream that its heads named. Moments are on the watch's own clock: milliseconds during which the anchor
 * was there to hear something.
 *
 * @module
 */

/** A silence that was told of. */
export type Told = {
  /** Commit time of the last that was heard before it, Unix seconds; null where nothing ever was. */
  readonly since: number | null;
  readonly allowedS: number;
  /** Log index of the last that was heard before it, of a stream its number in the chain; null where nothing ever was. */
  readonly last: number | null;
};

type Heard = {
  heardMs: number;
  /** Commit time, Unix seconds. */
  heardUnixS: number | null;
  told: Told | undefined;
};

export type WatchedStream = Heard & {
  readonly sub: string;
  ch: string;
  seq: number;
  /** Longest silence allowed; 0 where samples come as they come. */
  allowedS: number;
};

export type WatchedDevice = Heard & {
  readonly iss: string;
  /** From the enrolment. */
  allowedS: number;
  /** Log index of the newest statement admitted. */
  lastIndex: number | null;
  streams: Map<string, WatchedStream>;
};

/** Of devices that have none, which may be most of a large registry. Never written to. */
export const NO_STREAMS: Map<string, WatchedStream> = new Map();

type AlarmCode =
  "device-silent" | "device-back" | "device-ended" | "stream-silent" | "stream-back" | "stream-ended";

/** A change that somebody is told of. */
export type Change = {
  readonly code: AlarmCode;
  readonly iss: string;
  /** Null for the whole device. */
  readonly sub: string | null;
  readonly told: Told;
};

/** Of a stream, silence is at least so many of its own intervals. */
const INTERVALS = 3;

/** A stream may be silent as long as its device, and a slow one for some of its intervals; what comes as it comes is never silent. */
export const allowedOf = (deviceS: number, intervalS: number): number =>
  intervalS === 0 ? 0 : Math.max(deviceS, INTERVALS * intervalS);
