/**
 * The watch for silence as a part of the running anchor: hears what is committed, looks round every few seconds, writes down what changed, and
 * has it sent.
 *
 * @module
 */
import { toHex, type Event, type KeyState } from "@tallystick/evidence";
import { sleep } from "@tallystick/evidence/node";
import type { Entrant } from "../sequence/place.ts";
import type { Placed } from "../sequence/sequence.ts";
import type { Time } from "../time.ts";
import { intervalOf } from "./past.ts";
import { watchedSinceMs, type AlarmStore } from "./store.ts";
import { Watch, type Moment, type Past, type PastStream, type Silent, type WatchSettings } from "./watch.ts";
import type { Webhook } from "./webhook.ts";

export type SilenceParts = {
  readonly settings: WatchSettings & { readonly maxWaiting: number };
  readonly keys: KeyState;
  /** What the log knows of a device's streams. */
  readonly pastOf: (iss: string) => readonly PastStream[];
  readonly store: AlarmStore;
  /** Undefined where alarms are sent nowhere. */
  readonly webhook: Webhook | undefined;
  readonly time: Pick<Time, "after" | "nowMs">;
  readonly nowUnixS: () => number;
  /** True of a device that the log takes nothing of at present. */
  readonly held: (iss: string) => boolean;
};

const LOOK_MS = 2000;
/** How often it is written down that this anchor watches. */
const NOTE_MS = 60_000;
/** Devices looked up in the log before others get their turn. */
const AT_ONCE = 50;
/** Alarms shown at most. */
const MAX_SHOWN = 10_000;

export class Silence {
  readonly #parts: SilenceParts;
  readonly #watch: Watch;
  readonly #past: Past;
  /** Number of registry items that the devices watched are of. */
  #items = -1;
  /** When the present connection began, Unix seconds, and when that was last written down. */
  #span: { readonly sinceUnixS: number; readonly sinceMs: number; notedMs: number } | undefined;
  readonly #changes: Parameters<AlarmStore["change"]>[0][number][] = [];

  constructor(parts: SilenceParts) {
    this.#parts = parts;
    this.#watch = new Watch(parts.settings);
    const spans = parts.store.spans();
    const told = new Map(parts.store.silent().map((one) => [`${one.iss} ${one.sub ?? ""}`, one]));
    this.#past = {
      watchedSinceMs: (unixS) => watchedSinceMs(spans, unixS),
      streamsOf: parts.pastOf,
      told: (iss, sub) => {
        const name = `${iss} ${sub ?? ""}`;
        const one = told.get(name);
        told.delete(name); // where the device is enrolled anew, that was another life
        return one;
      },
    };
  }

  /** Subscribed: devices can be heard. */
  connected(): void {
    const nowMs = this.#parts.time.nowMs();
    this.#watch.connected(nowMs);
    this.#span ??= { sinceUnixS: this.#parts.nowUnixS(), sinceMs: nowMs, notedMs: nowMs };
  }

  lost(): void {
    const nowMs = this.#parts.time.nowMs();
    this.#note(nowMs, 0);
    this.#span = undefined;
    this.#watch.lost(nowMs);
  }

  /** These were committed; never touches the disk. */
  admitted(placed: readonly Placed[], unixS: number): void {
    const moment = { unixS, nowMs: this.#parts.time.nowMs() };
    for (const { statement, index } of placed) {
      this.#watch.heard(statement.claims, index, moment);
      if (statement.event !== undefined) this.#told(statement, statement.event, moment);
    }
  }

  /** Looks round until `signal` is aborted. @throws EvidenceError `storage-failed` */
  async run(signal: AbortSignal): Promise<void> {
    // Side by side, not raced turn by turn: each race would leave a reaction at the promise that settles last of all.
    await Promise.all([this.#lookRound(signal), this.#parts.webhook?.run(signal)]);
  }

  async #lookRound(signal: AbortSignal): Promise<void> {
    const { time } = this.#parts;
    while (!signal.aborted) {
      await this.#followRegistry(signal);
      this.look();
      await sleep(time, LOOK_MS, signal);
    }
    this.look();
    this.#note(time.nowMs(), 0);
  }

  /** One look round. @throws EvidenceError `storage-failed` */
  look(): void {
    const { time, held, store, settings, nowUnixS, webhook } = this.#parts;
    const nowMs = time.nowMs();
    this.#changes.push(...this.#watch.look(nowMs, held));
    const changes = this.#changes.splice(0);
    if (changes.length > 0) {
      store.change(changes, nowUnixS(), webhook === undefined ? 0 : settings.maxWaiting);
      webhook?.wake();
    }
    this.#note(nowMs, NOTE_MS);
  }

  /** What is silent now, and how the watch stands. */
  get state(): SilenceState {
    const { time, store, webhook } = this.#parts;
    const silent = [...this.#watch.silent()];
    return {
      watching: this.#watch.isJudging(time.nowMs()),
      devices: this.#watch.devices,
      streams: this.#watch.streams,
      unwatchedStreams: this.#watch.unwatched,
      silentDevices: silent.filter(({ sub }) => sub === null).length,
      silentStreams: silent.filter(({ sub }) => sub !== null).length,
      silent: silent.slice(0, MAX_SHOWN),
      alarms: {
        waiting: store.waitingCount,
        dropped: store.dropped,
        sent: webhook?.sent ?? 0,
        failures: webhook?.failures ?? 0,
      },
    };
  }

  #told({ claims }: Entrant, event: Event, moment: Moment): void {
    const { iss, sub, ch } = claims;
    if (event.kind === "heads") this.#watch.heads(iss, event.heads, moment);
    else if (event.kind === "stream-opened" && ch !== undefined && sub !== "sys") {
      this.#watch.opened(iss, { sub, ch: toHex(ch), intervalS: intervalOf(event) }, moment);
    } else if (event.kind === "stream-closed") {
      const change = this.#watch.closed(iss, sub);
      if (change !== undefined) this.#changes.push(change);
    }
  }

  /** Takes in who was enrolled, and lets go whose key no longer counts. */
  async #followRegistry(signal: AbortSignal): Promise<void> {
    const { keys, time } = this.#parts;
    if (keys.count === this.#items) return;
    this.#items = keys.count;
    const isWatched = (iss: string): boolean => keys.current(iss)?.revoked === null;
    this.#changes.push(...this.#watch.keepOnly(isWatched));
    const devices = [...keys.records()].filter(({ role, iss }) => role === "device" && isWatched(iss));
    for (const [i, { iss }] of devices.entries()) {
      const current = keys.current(iss);
      if (current !== undefined) this.#watch.enrolled(current, this.#past, time.nowMs());
      if (i % AT_ONCE === AT_ONCE - 1) await sleep(time, 0, signal);
      if (signal.aborted) return;
    }
  }

  #note(nowMs: number, everyMs: number): void {
    const span = this.#span;
    if (span === undefined || nowMs - span.notedMs < everyMs) return;
    span.notedMs = nowMs;
    const untilUnixS = span.sinceUnixS + Math.floor((nowMs - span.sinceMs) / 1000);
    this.#parts.store.watched(span.sinceUnixS, untilUnixS);
  }
}

export type SilenceState = {
  /** False while there is no connection to the broker, and for a grace after it. */
  readonly watching: boolean;
  readonly devices: number;
  readonly streams: number;
  readonly unwatchedStreams: number;
  readonly silentDevices: number;
  readonly silentStreams: number;
  readonly silent: readonly Silent[];
  readonly alarms: {
    readonly waiting: number;
    readonly dropped: number;
    readonly sent: number;
    readonly failures: number;
  };
};
