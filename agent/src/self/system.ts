/**
 * The device's own stream, `sys`: that it started, where its other streams stand, that its clock stepped, that it was told other things, and
 * what its outbox had to let go.
 *
 * @module
 */
import { decimal, encodeEat, equalBytes, SYSTEM_STREAM, type Event, type Head } from "@tallystick/evidence";
import { sleep, type Timer } from "@tallystick/evidence/node";
import type { Chain, Chains, ChainView } from "../seal/chains.ts";
import { type ClockStep } from "../clock/clock.ts";
import { gapTime, secondsOf } from "../seal/gaps.ts";
import type { DeviceKey } from "../keys/store.ts";
import type { Log } from "../log.ts";
import type { Meta } from "../storage/meta.ts";
import { Refusals } from "../uplink/refusals.ts";
import { OUTBOX_FULL, type Dropped, type Outbox } from "../outbox/outbox.ts";
import { eventContent, type Order, type Sealer } from "../seal/seal.ts";
import type { Self } from "./self.ts";
import type { SigningKeys } from "../seal/signing-key.ts";
import type { Storage } from "../storage/storage.ts";
import type { Timekeeping } from "../clock/timekeeping.ts";
import { Unread } from "../sample/unread.ts";

export type SystemParts = {
  readonly version: string;
  /** What the program can say of itself; without it no boot evidence is said. */
  readonly self: Self | undefined;
  readonly heartbeatS: number;
  readonly metered: boolean;
  /** SHA-256 of the configuration file. */
  readonly configHash: Uint8Array;
  /** Whether the configuration has a stream; the chain of one that it doesn't have is closed. */
  readonly isConfigured: (sub: string) => boolean;
  readonly storage: Storage;
  readonly chains: Chains;
  readonly meta: Meta;
  readonly outbox: Outbox;
  readonly sealer: Sealer;
  readonly signing: SigningKeys;
  readonly time: Timekeeping;
  readonly timer: Timer;
  readonly log: Log;
  readonly randomBytes: (length: number) => Uint8Array;
  /** Since the machine was started. */
  readonly uptimeMs: () => number;
};

/** All heads are told again this often, whether they moved or not. */
const ALL_HEADS_S = { default: 3600, metered: 86_400 } as const;
const STEP_BACK_MS = 1000;
const BOOT_ID_BYTES = 16;
/** Room for heads in one event, which leaves a kilobyte for the rest of it. */
export const MAX_HEADS_BYTES = 30_000;

export class System {
  readonly #parts: SystemParts;
  readonly #allEveryMs: number;
  /** What `sys` itself has to leave out where even its own part of the outbox is full. */
  readonly #unread: Unread;
  readonly #refusals: Refusals;
  /** Random id of this start. */
  readonly #boot: Uint8Array;
  /** Which start it is, from 1. */
  readonly #starts: number;
  #allDueMs = 0;
  #toldDroppedMs = -Infinity;
  #toldRefusedMs = -Infinity;

  constructor(parts: SystemParts) {
    this.#parts = parts;
    this.#boot = parts.randomBytes(BOOT_ID_BYTES);
    this.#starts = (parts.meta.number("starts") ?? 0) + 1;
    this.#unread = new Unread(parts.storage, SYSTEM_STREAM);
    this.#refusals = new Refusals(parts.storage);
    this.#allEveryMs = (parts.metered ? ALL_HEADS_S.metered : ALL_HEADS_S.default) * 1000;
  }

  /**
   * Tells of this start, before anything else is sealed: opens `sys`, closes streams that the configuration no longer has, tells another
   * configuration, the start itself, and where all streams stand.
   *
   * @param step - what the first look at the system's clock changed
   * @param closes - false where no stream is closed: this run takes nothing in, and what a stream has journalled must find its chain open
   */
  async start(step: ClockStep | undefined, closes = true): Promise<void> {
    const { chains, time, meta, signing } = this.#parts;
    const { aliveUnixMs } = time;
    // Time that passed while the machine was off is no step; time that ran backwards meanwhile is.
    const back =
      step !== undefined && aliveUnixMs !== undefined && step.afterUnixMs < aliveUnixMs - STEP_BACK_MS;
    const gone = closes ? chains.subs().filter((sub) => this.#isGone(chains.get(sub))) : [];
    await this.#tell((view) => [
      ...(view.get(SYSTEM_STREAM) === undefined ? [this.#opening()] : []),
      ...(back ? [this.#order(stepEvent(step))] : []),
      ...this.#configuration(),
      { ...this.#order(this.#bootEvent()), commit: () => meta.set("starts", this.#starts) },
      ...this.evidence(signing.current),
      ...gone.map((sub): Order => {
        const content = eventContent({ kind: "stream-closed", reason: "removed from the configuration" });
        return { sub, time: time.now(), content, closes: true };
      }),
    ]);
    if (chains.heads(true).length > 0) await this.tellHeads(true);
  }

  /** What the device says of itself as one that signs with this key. */
  evidence(key: DeviceKey): readonly Order[] {
    const { self, time, uptimeMs } = this.#parts;
    if (self === undefined) return [];
    const payload = encodeEat({
      ...self,
      kid: key.key.kid,
      uptimeS: Math.floor(uptimeMs() / 1000),
      bootCount: this.#starts,
      bootSeed: this.#boot,
      ...(key.token === undefined ? {} : { token: key.token }),
    });
    return [{ sub: SYSTEM_STREAM, time: time.now(), content: { type: "eat", payload } }];
  }

  /** Tells heads every heartbeat until `signal` is aborted. @throws EvidenceError `storage-failed`; what the signer throws */
  async run(signal: AbortSignal): Promise<void> {
    const { timer, heartbeatS, time } = this.#parts;
    const heartbeatMs = heartbeatS * 1000;
    let dueMs = time.monotonicMs();
    for (;;) {
      dueMs = Math.max(dueMs + heartbeatMs, time.monotonicMs());
      await sleep(timer, dueMs - time.monotonicMs(), signal);
      if (signal.aborted) return;
      await this.tellHeads(time.monotonicMs() + heartbeatMs / 2 >= this.#allDueMs);
    }
  }

  /** Tells the heads that moved, or all; an empty list is told as well: silence has to mean something. */
  async tellHeads(all: boolean): Promise<void> {
    const { time } = this.#parts;
    const isTold = await this.#tell((view) => this.#heads(view, all));
    if (all && isTold) this.#allDueMs = time.monotonicMs() + this.#allEveryMs;
  }

  async tellStep(step: ClockStep): Promise<void> {
    this.#parts.log.info(
      { tq: step.tq, afterUnixMs: step.afterUnixMs },
      "the clock stepped, or its quality changed",
    );
    await this.#tell(() => [this.#order(stepEvent(step))]);
  }

  /**
   * Signs gaps for what the outbox let go, once it has room again: sooner it would only let more go. Where it never has room, because more is
   * read than the line carries, gaps are signed as often as all heads are.
   */
  async tellDropped(): Promise<void> {
    const { outbox, sealer, log, time } = this.#parts;
    const dueMs = this.#toldDroppedMs + this.#allEveryMs;
    if (outbox.full && (!outbox.isDraining || time.monotonicMs() < dueMs)) return;
    if (outbox.dropped().length === 0) return;
    await sealer.seal((view) =>
      outbox.dropped().map((dropped) => {
        const { sub, count, first, last } = dropped;
        log.warn(
          { stream: sub, count, first, last },
          `${count} statements of ${sub} were let go by a full outbox: a gap is signed`,
        );
        return { ...this.#gap(dropped, view.get(sub)), tells: dropped };
      }),
    );
    this.#toldDroppedMs = time.monotonicMs();
  }

  /** Tells what the log has refused for long, a little of it as often as all heads. */
  async tellRefused(): Promise<void> {
    const { outbox, sealer, time } = this.#parts;
    if (outbox.full || time.monotonicMs() < this.#toldRefusedMs + this.#allEveryMs) return;
    const refused = this.#refusals.due(time.now().timeUnixMs);
    if (refused.length === 0) return;
    this.#toldRefusedMs = time.monotonicMs();
    await sealer.seal(() => refused.map(({ event, commit }) => ({ ...this.#order(event), commit })));
  }

  /** Signs a gap for what `sys` itself had to leave out, once there is room again. */
  async tellOmitted(): Promise<void> {
    const { outbox, sealer, time } = this.#parts;
    const { absence } = this.#unread;
    if (absence === undefined || outbox.full) return;
    await sealer.seal(() => {
      const range = gapTime(absence, time.now(), time.monotonicMs());
      const gap: Event = { kind: "gap", reason: absence.reason, count: absence.omitted, time: range };
      return [{ ...this.#order(gap), commit: () => this.#unread.end(absence) }];
    });
  }

  /** Seals what `make` gives; where there is no room for `sys` either, notes that it was left out. @returns whether it was sealed */
  async #tell(make: (view: ChainView) => readonly Order[]): Promise<boolean> {
    const { outbox, sealer, storage, time, log } = this.#parts;
    if (!outbox.systemStopped) {
      await sealer.seal(make);
      return true;
    }
    log.warn({}, "the outbox is full: sys says nothing more until receipts make room");
    const { atUnixMs, tq } = time.stamp();
    storage.transaction(() => this.#unread.begin({ since: atUnixMs, tq }, OUTBOX_FULL, 1));
    return false;
  }

  #gap({ chain, sub, ch, first, last, count }: Dropped, newest: Chain | undefined): Order {
    const gap: Event = { kind: "gap", reason: OUTBOX_FULL, count, seq: { first, last } };
    const isOpen = newest?.id === chain && !newest.closed;
    // A chain that has ended takes no more statements: `sys` tells of it.
    return isOpen ? { ...this.#order(gap), sub } : this.#order({ ...gap, chain: { sub, ch } });
  }

  #heads(view: ChainView, all: boolean): readonly Order[] {
    const parts = split(view.heads(all));
    const n = parts.length;
    return parts.map((heads, index): Order => {
      const event: Event = { kind: "heads", all, heads, ...(n > 1 ? { part: { i: index + 1, n } } : {}) };
      return { ...this.#order(event), attests: heads.map(({ sub }) => sub) };
    });
  }

  #bootEvent(): Event {
    const { version, time, uptimeMs } = this.#parts;
    const { aliveUnixMs } = time;
    return {
      kind: "boot",
      version,
      boot: this.#boot,
      uptime: secondsOf(uptimeMs()),
      ...(aliveUnixMs === undefined ? {} : { alive: Math.floor(aliveUnixMs / 1000) }),
    };
  }

  /** The configuration in force, where it isn't the one that was told last. */
  #configuration(): readonly Order[] {
    const { configHash, meta } = this.#parts;
    const told = meta.bytes("config");
    if (told !== undefined && equalBytes(told, configHash)) return [];
    return [
      {
        ...this.#order({ kind: "config-changed", hash: configHash }),
        commit: () => meta.set("config", configHash),
      },
    ];
  }

  #opening(): Order {
    const { time, heartbeatS } = this.#parts;
    const opens = { source: SYSTEM_STREAM, names: [], interval: decimal(Math.round(heartbeatS)) };
    return { sub: SYSTEM_STREAM, time: time.now(), content: { opens } };
  }

  #isGone(chain: Chain | undefined): boolean {
    return (
      chain !== undefined &&
      !chain.closed &&
      chain.sub !== SYSTEM_STREAM &&
      !this.#parts.isConfigured(chain.sub)
    );
  }

  #order(event: Event): Order {
    return { sub: SYSTEM_STREAM, time: this.#parts.time.now(), content: eventContent(event) };
  }
}

const stepEvent = ({ beforeUnixMs, afterUnixMs, uptimeMs, tq }: ClockStep): Event => ({
  kind: "clock-step",
  before: secondsOf(beforeUnixMs),
  after: secondsOf(afterUnixMs),
  uptime: secondsOf(uptimeMs),
  tq,
});

/** Bytes of one head besides its stream's name, at most: three heads of CBOR, chain, number, hash. */
const HEAD_BYTES = 60;
export const headBytes = ({ sub }: Head): number => sub.length + HEAD_BYTES;

/** Cuts heads into as many events as they need. At least one, which may be empty. */
export function split(heads: readonly Head[]): readonly (readonly Head[])[] {
  const parts: Head[][] = [[]];
  let bytes = 0;
  for (const head of heads) {
    const size = headBytes(head);
    if (bytes + size > MAX_HEADS_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(head);
    bytes += size;
  }
  return parts;
}
