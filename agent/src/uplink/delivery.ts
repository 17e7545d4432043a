/**
 * Delivery: keeps a line to the broker for as long as the agent runs, and takes in what comes back on it.
 *
 * @module
 */
import { isEvidenceError, type EvidenceCode } from "@tallystick/evidence";
import { sleep, type Timer } from "@tallystick/evidence/node";
import type { Answers, Effects } from "./answers.ts";
import { type Clock } from "../clock/clock.ts";
import type { Counters } from "../storage/counters.ts";
import type { LineState } from "./line-state.ts";
import type { Log } from "../log.ts";
import { STATE, type Outbox } from "../outbox/outbox.ts";
import { Session } from "./session.ts";
import type { Testimony } from "./testimony.ts";
import type { Connect } from "./uplink.ts";
import { Window, type WindowSettings } from "../outbox/window.ts";

export type DeliveryParts = {
  readonly iss: string;
  readonly brokerUrl: string;
  readonly window: WindowSettings;
  readonly connect: Connect;
  readonly outbox: Outbox;
  readonly answers: Answers;
  readonly testimony: Testimony;
  readonly counters: Counters;
  readonly line: LineState;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly timer: Timer;
  readonly log: Log;
  readonly random: () => number;
};

/** What may be mended at the broker, or in files that are read anew, while readings go on. */
const WAITED_OUT: ReadonlySet<EvidenceCode> = new Set([
  "unreachable",
  "tls-pin",
  "tls-handshake",
  "tls-malformed",
]);

/** First pause before another try to connect; doubled from then on. */
const RECONNECT_FIRST_MS = 1000;
const RECONNECT_MAX_MS = 60_000;
/** A connection that held this long was a good one: the next pause is short again. */
const GOOD_CONNECTION_MS = 10_000;

export class Delivery {
  readonly #parts: DeliveryParts;
  readonly #window: Window;
  #session: Session | undefined;
  /** A fault while there was no session to end with it. */
  #failure: { readonly error: unknown } | undefined;
  #drained = false;
  /** Cancels the writing of what the log advised against, where that was put off. */
  #cancelSettling: (() => void) | undefined;

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
    this.#window = new Window(parts.window, parts.outbox, parts.random);
  }

  /** Statements that were sent and have no receipt yet. */
  get windowSize(): number {
    return this.#window.size;
  }

  /**
   * Runs until `signal` is aborted and `drained` has resolved, after which what is in the outbox still gets a moment to be heard.
   *
   * @throws EvidenceError `storage-failed`; a broker that isn't there is never an error
   */
  async run(signal: AbortSignal, drained: Promise<void>): Promise<void> {
    const { timer, clock, outbox } = this.#parts;
    const off = outbox.onChange(() => this.#session?.wake());
    void this.#finishAfter(drained);
    const reminder = new Reminder(clock);
    let pauseMs = RECONNECT_FIRST_MS;
    try {
      while (!signal.aborted) {
        const startMs = clock.monotonicMs();
        await this.#connectOnce(signal, reminder);
        if (clock.monotonicMs() - startMs > GOOD_CONNECTION_MS) pauseMs = RECONNECT_FIRST_MS;
        await sleep(timer, pauseMs * (0.5 + this.#parts.random()), signal);
        pauseMs = Math.min(pauseMs * 2, RECONNECT_MAX_MS);
      }
    } finally {
      off();
      this.#cancelSettling?.();
    }
  }

  async #finishAfter(drained: Promise<void>): Promise<void> {
    await drained;
    this.#drained = true;
    this.#session?.finish();
  }

  async #connectOnce(signal: AbortSignal, reminder: Reminder): Promise<void> {
    const { connect, log, brokerUrl: broker, iss, counters, clock, timer, testimony } = this.#parts;
    try {
      const connection = await connect((payload) => this.#take(payload), signal);
      log.info({ broker }, reminder.isAway ? "the broker is there again" : "connected to the broker");
      reminder.back();
      this.#parts.line.up();
      if (this.#failure !== undefined) throw this.#failure.error;
      testimony.connected();
      this.#session = new Session(
        { iss, window: this.#window, counters, clock, timer, testimony },
        connection,
      );
      if (this.#drained) this.#session.finish();
      const reason = await this.#session.run();
      this.#parts.line.down(reason);
      if (!signal.aborted) log.warn({ broker }, `the connection to the broker was lost: ${reason}`);
    } catch (error) {
      if (!isEvidenceError(error) || !WAITED_OUT.has(error.code)) throw error;
      this.#parts.line.down(error.message);
      if (signal.aborted || !reminder.isDue()) return;
      const advice = error.code === "unreachable" ? "; start the broker or set broker.url" : "";
      log.warn({ code: error.code }, `no broker: ${error.message}; statements wait in the outbox${advice}`);
    } finally {
      this.#session = undefined;
    }
  }

  #take(payload: Uint8Array): void {
    this.#heed(() => this.#parts.answers.take(payload));
    this.#settleLater();
  }

  #settleLater(): void {
    const { answers, clock, timer } = this.#parts;
    if (answers.dueMs === Infinity) return;
    this.#cancelSettling ??= timer.after(answers.dueMs - clock.monotonicMs(), () => {
      this.#cancelSettling = undefined;
      this.#heed(() => answers.settle());
    });
  }

  #heed(answer: () => Effects): void {
    try {
      const { receipted, refused, wanted, called } = answer();
      const nowMs = this.#parts.clock.monotonicMs();
      if (receipted.length > 0) {
        const wereRefused = receipted.some(({ state }) => state === STATE.refused);
        this.#window.receipted(idsOf(receipted), wereRefused, nowMs);
      }
      if (refused.length > 0) this.#window.refused(idsOf(refused), nowMs);
      this.#window.want(wanted);
      if (called !== undefined) this.#parts.testimony.call(called);
      this.#session?.wake();
    } catch (error) {
      this.#failure = { error }; // the disk failed: the session ends, and with it the process
      this.#session?.fail(error);
    }
  }
}

const idsOf = (items: readonly { readonly id: number }[]): readonly number[] => items.map(({ id }) => id);

/** A broker that stays away is mentioned at once, then after this long, then after twice as long each time. */
const REMIND_FIRST_MS = 60_000;
const REMIND_MAX_MS = 6 * 3_600_000;

class Reminder {
  readonly #clock: Pick<Clock, "monotonicMs">;
  #everyMs = REMIND_FIRST_MS;
  #dueMs = -Infinity;

  constructor(clock: Pick<Clock, "monotonicMs">) {
    this.#clock = clock;
  }

  /** True from the first failure until {@link back}. */
  get isAway(): boolean {
    return this.#dueMs !== -Infinity;
  }

  isDue(): boolean {
    const nowMs = this.#clock.monotonicMs();
    if (nowMs < this.#dueMs) return false;
    this.#everyMs = this.isAway ? Math.min(this.#everyMs * 2, REMIND_MAX_MS) : REMIND_FIRST_MS;
    this.#dueMs = nowMs + this.#everyMs;
    return true;
  }

  back(): void {
    this.#dueMs = -Infinity;
  }
}
