/**
 * Who has been silent for longer than the registry allows. Hearing costs a look into a map; who is silent is found by going through all devices once in
 * a while.
 *
 * Silence counts only while this anchor runs and is subscribed: one that was away itself accuses nobody, and after each connection devices get
 * a grace to come back. It goes on counting after a restart from where it was, by the times of what is in the log and the times at which it watched.
 *
 * No I/O and no clock in here: the caller says what time it is.
 *
 * @module
 */
import { toHex, type Head } from "@tallystick/evidence";
import {
  allowedOf,
  NO_STREAMS,
  type Change,
  type Told,
  type WatchedDevice,
  type WatchedStream,
} from "./device.ts";

/** A device as the registry has it now. */
export type Enrolled = { readonly iss: string; readonly silenceS: number };

/** What the log knows of a stream from before this start. */
export type PastStream = {
  readonly sub: string;
  readonly ch: string;
  readonly seq: number;
  readonly index: number;
  readonly timeUnixS: number;
  readonly intervalS: number;
  readonly closed: boolean;
};

/** A statement that was admitted. */
type Heard = { readonly iss: string; readonly sub: string; readonly seq: number };

type Opened = { readonly sub: string; readonly ch: string; readonly intervalS: number };

/** When something was committed, by the log's clock, and by the one that never jumps. */
export type Moment = { readonly unixS: number; readonly nowMs: number };

export type Past = {
  /** Milliseconds watched since a moment, as far as it is known, up to this start. */
  readonly watchedSinceMs: (unixS: number) => number;
  readonly streamsOf: (iss: string) => readonly PastStream[];
  readonly told: (iss: string, sub: string | null) => Told | undefined;
};

export type WatchSettings = {
  /** After each connection, so long nobody is found silent. */
  readonly graceS: number;
  /** Streams that are watched; of further ones only their devices are. */
  readonly maxStreams: number;
};

export type Silent = Told & { readonly iss: string; readonly sub: string | null };

export class Watch {
  readonly #settings: WatchSettings;
  readonly #devices = new Map<string, WatchedDevice>();
  /** When the present connection began; undefined while there is none. */
  #sinceMs: number | undefined;
  /** Milliseconds watched before it. */
  #beforeMs = 0;
  #streams = 0;
  /** Streams that had no room. */
  unwatched = 0;

  constructor(settings: WatchSettings) {
    this.#settings = settings;
  }

  get devices(): number {
    return this.#devices.size;
  }

  get streams(): number {
    return this.#streams;
  }

  connected(nowMs: number): void {
    this.#sinceMs ??= nowMs;
  }

  lost(nowMs: number): void {
    this.#beforeMs = this.#watchedMs(nowMs);
    this.#sinceMs = undefined;
  }

  /** True where devices may be found silent. */
  isJudging(nowMs: number): boolean {
    return this.#sinceMs !== undefined && nowMs - this.#sinceMs >= this.#settings.graceS * 1000;
  }

  /** A device that this anchor watches from now on; one that it watches already may be allowed another silence. */
  enrolled({ iss, silenceS }: Enrolled, past: Past, nowMs: number): void {
    const known = this.#devices.get(iss);
    if (known !== undefined) {
      known.allowedS = silenceS;
      return;
    }
    const watchedMs = this.#watchedMs(nowMs);
    const streams = past.streamsOf(iss);
    const newest = streams.reduce<PastStream | undefined>(
      (best, one) => (best === undefined || one.index > best.index ? one : best),
      undefined,
    );
    const at = (unixS: number): number => watchedMs - past.watchedSinceMs(unixS);
    const device: WatchedDevice = {
      iss,
      allowedS: silenceS,
      heardMs: newest === undefined ? watchedMs : at(newest.timeUnixS),
      heardUnixS: newest?.timeUnixS ?? null,
      lastIndex: newest?.index ?? null,
      told: past.told(iss, null),
      streams: NO_STREAMS,
    };
    this.#devices.set(iss, device);
    for (const { sub, ch, seq, timeUnixS, intervalS, closed } of streams) {
      if (closed || sub === "sys") continue;
      const stream = this.#stream(device, sub, { ch, seq, intervalS });
      if (stream === undefined) continue;
      Object.assign(stream, { heardMs: at(timeUnixS), heardUnixS: timeUnixS, told: past.told(iss, sub) });
    }
  }

  /** A statement was admitted. */
  heard({ iss, sub, seq }: Heard, index: number, { unixS, nowMs }: Moment): void {
    const device = this.#devices.get(iss);
    if (device === undefined) return;
    const watchedMs = this.#watchedMs(nowMs);
    device.heardMs = watchedMs;
    device.heardUnixS = unixS;
    device.lastIndex = index;
    const stream = device.streams.get(sub);
    if (stream === undefined) return;
    stream.heardMs = watchedMs;
    stream.heardUnixS = unixS;
    stream.seq = Math.max(stream.seq, seq);
  }

  /** A stream was opened. */
  opened(iss: string, { sub, ch, intervalS }: Opened, { unixS, nowMs }: Moment): void {
    const device = this.#devices.get(iss);
    if (device === undefined) return;
    const stream = this.#stream(device, sub, { ch, seq: 0, intervalS });
    if (stream !== undefined) moved(stream, ch, 0, unixS, this.#watchedMs(nowMs));
  }

  /** The device told how far its streams are, which may be further than what has come. */
  heads(iss: string, heads: readonly Head[], { unixS, nowMs }: Moment): void {
    const device = this.#devices.get(iss);
    if (device === undefined) return;
    for (const { sub, seq, ch: bytes } of heads) {
      const stream = device.streams.get(sub);
      if (stream === undefined) continue;
      const ch = toHex(bytes);
      if (stream.ch !== ch || stream.seq < seq) moved(stream, ch, seq, unixS, this.#watchedMs(nowMs));
    }
  }

  /** A stream was closed: nothing more is expected of it. */
  closed(iss: string, sub: string): Change | undefined {
    const device = this.#devices.get(iss);
    const stream = device?.streams.get(sub);
    if (device === undefined || stream === undefined) return undefined;
    device.streams.delete(sub);
    this.#streams -= 1;
    return stream.told && { code: "stream-ended", iss, sub, told: stream.told };
  }

  /** Devices whose keys no longer count are watched no more. */
  keepOnly(isWatched: (iss: string) => boolean): Change[] {
    const changes: Change[] = [];
    for (const { iss, told, streams } of this.#devices.values()) {
      if (isWatched(iss)) continue;
      if (told !== undefined) changes.push({ code: "device-ended", iss, sub: null, told });
      for (const stream of streams.values())
        if (stream.told !== undefined)
          changes.push({ code: "stream-ended", iss, sub: stream.sub, told: stream.told });
      this.#streams -= streams.size;
      this.#devices.delete(iss);
    }
    return changes;
  }

  /**
   * Goes through all devices: who came back, and who is silent now. What is returned counts as told.
   *
   * @param held - true of a device that the log takes nothing of at present: it isn't to blame
   */
  look(nowMs: number, held: (iss: string) => boolean): Change[] {
    const changes: Change[] = [];
    const watchedMs = this.#watchedMs(nowMs);
    const judging = this.isJudging(nowMs);
    for (const device of this.#devices.values()) {
      const { iss } = device;
      if (device.told !== undefined && isLater(device.lastIndex, device.told.last)) {
        changes.push({ code: "device-back", iss, sub: null, told: device.told });
        device.told = undefined;
        // what it has kept comes in its own order: each stream gets its time again
        for (const stream of device.streams.values()) stream.heardMs = Math.max(stream.heardMs, watchedMs);
      }
      const isSilent = device.allowedS > 0 && watchedMs - device.heardMs > device.allowedS * 1000;
      const mayJudge = judging && !held(iss);
      if (isSilent && device.told === undefined && mayJudge) {
        device.told = toldOf(device, device.lastIndex);
        changes.push({ code: "device-silent", iss, sub: null, told: device.told });
      }
      // Of a device that is silent nobody can say which of its streams are.
      lookAtStreams(device, watchedMs, mayJudge && !isSilent, changes);
    }
    return changes;
  }

  /** Everyone who is silent, as told. */
  *silent(): Generator<Silent, void> {
    for (const { iss, told, streams } of this.#devices.values()) {
      if (told !== undefined) yield { iss, sub: null, ...told };
      for (const stream of streams.values())
        if (stream.told !== undefined) yield { iss, sub: stream.sub, ...stream.told };
    }
  }

  #watchedMs(nowMs: number): number {
    return this.#beforeMs + (this.#sinceMs === undefined ? 0 : nowMs - this.#sinceMs);
  }

  #stream(
    device: WatchedDevice,
    sub: string,
    { ch, seq, intervalS }: { readonly ch: string; readonly seq: number; readonly intervalS: number },
  ): WatchedStream | undefined {
    const allowedS = allowedOf(device.allowedS, intervalS);
    const known = device.streams.get(sub);
    if (known !== undefined) {
      known.allowedS = allowedS;
      return known;
    }
    if (this.#streams >= this.#settings.maxStreams) {
      this.unwatched += 1;
      return undefined;
    }
    this.#streams += 1;
    const stream: WatchedStream = { sub, ch, seq, allowedS, heardMs: 0, heardUnixS: null, told: undefined };
    if (device.streams === NO_STREAMS) device.streams = new Map();
    device.streams.set(sub, stream);
    return stream;
  }
}

function moved(stream: WatchedStream, ch: string, seq: number, timeUnixS: number, watchedMs: number): void {
  stream.ch = ch;
  stream.seq = seq;
  stream.heardMs = watchedMs;
  stream.heardUnixS = timeUnixS;
}

const isLater = (one: number | null, other: number | null): boolean =>
  one !== null && (other === null || one > other);

const toldOf = ({ heardUnixS, allowedS }: WatchedDevice | WatchedStream, last: number | null): Told => ({
  since: heardUnixS,
  allowedS,
  last,
});

function lookAtStreams(device: WatchedDevice, watchedMs: number, mayJudge: boolean, changes: Change[]): void {
  const { iss } = device;
  for (const stream of device.streams.values()) {
    const { sub, told, allowedS, heardMs, heardUnixS, seq } = stream;
    if (told !== undefined && (isLater(heardUnixS, told.since) || isLater(seq, told.last))) {
      changes.push({ code: "stream-back", iss, sub, told });
      stream.told = undefined;
    }
    const isSilent = allowedS > 0 && watchedMs - heardMs > allowedS * 1000;
    if (!isSilent || stream.told !== undefined || !mayJudge) continue;
    stream.told = toldOf(stream, seq);
    changes.push({ code: "stream-silent", iss, sub, told: stream.told });
  }
}
