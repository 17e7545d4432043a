/**
 * The device's own stream, `sys`: that it started, where its other streams stand, that its clock stepped, that it was told other things, and
 * what its outbox had to let go.
 *
 * @module
 */
import { decimal, equalBytes, SYSTEM_STREAM, type Event, type Head } from "@tallystick/evidence";
import type { Chain, Chains, ChainView } from "./chains.ts";
import { sleep, type ClockStep, type Timer } from "./clock.ts";
import { gapTime, secondsOf } from "./gaps.ts";
import type { Log } from "./log.ts";
import type { Meta } from "./meta.ts";
import type { Dropped, Outbox } from "./outbox.ts";
import { eventContent, type Order, type Sealer } from "./seal.ts";
import type { Timekeeping } from "./timekeeping.ts";

export type SystemParts = {
  readonly version: string;
  readonly heartbeatS: number;
  readonly metered: boolean;
  /** SHA-256 of the configuration file. */
  readonly configHash: Uint8Array;
  /** Streams of the configuration; what else has a chain is closed. */
  readonly streams: readonly string[];
  readonly chains: Chains;
  readonly meta: Meta;
  readonly outbox: Outbox;
  readonly sealer: Sealer;
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
/** Room for heads in one event, which leaves a kilobyte for the rest of it. */
const MAX_HEADS_BYTES = 30_000;

export class System {
  readonly #parts: SystemParts;
  readonly #allEveryMs: number;
  #allDueMs = 0;

  constructor(parts: SystemParts) {
    this.#parts = parts;
    this.#allEveryMs = (parts.metered ? ALL_HEADS_S.metered : ALL_HEADS_S.default) * 1000;
  }

  /**
   * Tells of this start, before anything else is sealed: opens `sys`, closes streams that the configuration no longer has, tells another
   * configuration, the start itself, and where all streams stand.
   *
   * @param step - what the first look at the system's clock changed
   */
  async start(step: ClockStep | undefined): Promise<void> {
    const { sealer, chains, time } = this.#parts;
    const { aliveUnixMs } = time;
    // Time that passed while the machine was off is no step; time that ran backwards meanwhile is.
    const back =
      step !== undefined && aliveUnixMs !== undefined && step.afterUnixMs < aliveUnixMs - STEP_BACK_MS;
    const gone = chains.subs().filter((sub) => this.#isGone(chains.get(sub)));
    await sealer.seal((view) => [
      ...(view.get(SYSTEM_STREAM) === undefined ? [this.#opening()] : []),
      ...(back ? [this.#order(stepEvent(step))] : []),
      ...this.#configuration(),
      this.#order(this.#boot()),
      ...gone.map((sub): Order => {
        const content = eventContent({ kind: "stream-closed", reason: "removed from the configuration" });
        return { sub, time: time.now(), content, closes: true };
      }),
    ]);
    if (chains.heads(true).length > 0) await this.tellHeads(true);
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
    const { outbox, sealer, log, time } = this.#parts;
    if (outbox.systemStopped) {
      log.warn({}, "the outbox is full: heads are not told until receipts make room");
      return;
    }
    await sealer.seal((view) => this.#heads(view, all));
    if (all) this.#allDueMs = time.monotonicMs() + this.#allEveryMs;
  }

  async tellStep(step: ClockStep): Promise<void> {
    this.#parts.log.info(
      { tq: step.tq, afterUnixMs: step.afterUnixMs },
      "the clock stepped, or its quality changed",
    );
    await this.#parts.sealer.seal(() => [this.#order(stepEvent(step))]);
  }

  /** Signs gaps for what the outbox let go, once it has room again. */
  async tellDropped(): Promise<void> {
    const { outbox, sealer, log } = this.#parts;
    if (outbox.full || outbox.dropped().length === 0) return;
    await sealer.seal((view) =>
      outbox.dropped().map((dropped) => {
        const { sub, count, first, last } = dropped;
        log.warn(
          { stream: sub, count, first, last },
          `${count} statements of ${sub} were let go by a full outbox: a gap is signed`,
        );
        return { ...this.#gap(dropped, view.get(sub)), commit: () => outbox.toldDropped(dropped) };
      }),
    );
  }

  #gap({ chain, sub, first, last, count, since, tq }: Dropped, newest: Chain | undefined): Order {
    const { time } = this.#parts;
    const now = time.now();
    if (newest?.id === chain && !newest.closed) {
      return {
        sub,
        time: now,
        content: eventContent({ kind: "gap", reason: "outbox-full", count, seq: { first, last } }),
      };
    }
    // Its chain has ended since, and takes no more statements: `sys` tells it, by time.
    const reason = `outbox-full: statements ${first} to ${last} of a closed chain of ${sub}`.slice(0, 200);
    return this.#order({ kind: "gap", reason, count, time: gapTime({ since, tq }, now, time.monotonicMs()) });
  }

  #heads(view: ChainView, all: boolean): readonly Order[] {
    const parts = split(view.heads(all));
    const n = parts.length;
    return parts.map((heads, index): Order => {
      const event: Event = { kind: "heads", all, heads, ...(n > 1 ? { part: { i: index + 1, n } } : {}) };
      return { ...this.#order(event), attests: heads.map(({ sub }) => sub) };
    });
  }

  #boot(): Event {
    const { version, time, randomBytes, uptimeMs } = this.#parts;
    const { aliveUnixMs } = time;
    return {
      kind: "boot",
      version,
      boot: randomBytes(16),
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
      !this.#parts.streams.includes(chain.sub)
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

/** Cuts heads into as many events as they need. At least one, which may be empty. */
export function split(heads: readonly Head[]): readonly (readonly Head[])[] {
  const parts: Head[][] = [[]];
  let bytes = 0;
  for (const head of heads) {
    const size = head.sub.length + HEAD_BYTES;
    if (bytes + size > MAX_HEADS_BYTES) {
      parts.push([]);
      bytes = 0;
    }
    parts.at(-1)?.push(head);
    bytes += size;
  }
  return parts;
}
