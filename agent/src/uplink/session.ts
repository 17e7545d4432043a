/**
 * One connection's worth of delivery: sends what the window says is due, until the line is lost or the agent has said its last words.
 *
 * @module
 */
import { concatBytes, upTopic } from "@tallystick/evidence";
import type { Timer } from "@tallystick/evidence/node";
import type { Clock } from "../clock/clock.ts";
import { UPLINK_SCOPE, type Counters } from "../storage/counters.ts";
import type { Testimony } from "./testimony.ts";
import type { Connection } from "./uplink.ts";
import type { Window } from "../outbox/window.ts";

export type SessionParts = {
  readonly iss: string;
  readonly window: Window;
  readonly counters: Counters;
  readonly clock: Pick<Clock, "monotonicMs">;
  readonly timer: Timer;
  readonly testimony: Pick<Testimony, "next" | "dueMs">;
};

/** Messages that the broker hasn't acknowledged yet; beyond, sending waits. */
const MAX_IN_FLIGHT = 16;
/** A broker that acknowledges nothing for so long, and isn't gone either, is left and connected to again. */
const STUCK_MS = 300_000;
/** How long the receipts of the last statements may take when the agent stops: what has one need not be sent again after the next start. */
const LAST_WORDS_MS = 2000;

export class Session {
  readonly #parts: SessionParts;
  readonly #connection: Connection;
  #inFlight = 0;
  /** When the broker acknowledged something, or had nothing to acknowledge. */
  #aliveMs = 0;
  /** Why the session ends, once it does. */
  #over: string | undefined;
  #failure: { readonly error: unknown } | undefined;
  /** True once nothing more will come into the outbox. */
  #last = false;
  #cancelLast = (): void => {};
  #wake = (): void => {};

  constructor(parts: SessionParts, connection: Connection) {
    this.#parts = parts;
    this.#connection = connection;
  }

  /** Sends until the connection is lost, or {@link finish} was called and what was sent has its receipts. Returns why it ended. */
  async run(): Promise<string> {
    void this.#watch();
    this.#parts.window.connected(this.#parts.clock.monotonicMs());
    while (this.#over === undefined) {
      if (this.#inFlight < MAX_IN_FLIGHT && this.#send()) continue;
      if (this.#isStuck()) this.#over = "the broker acknowledges nothing";
      else if (this.#last && this.#inFlight === 0 && this.#parts.window.size === 0)
        this.#over = "the agent stops";
      else await this.#idle();
    }
    this.#cancelLast();
    await this.#connection.end();
    if (this.#failure !== undefined) throw this.#failure.error;
    return this.#over;
  }

  /** Something may be due that wasn't before. */
  wake(): void {
    this.#wake();
  }

  /** Nothing more will come: what is there is still sent, if that doesn't take too long. */
  finish(): void {
    this.#last = true;
    this.#cancelLast = this.#parts.timer.after(LAST_WORDS_MS, () => this.#end("the agent stops"));
    this.#wake();
  }

  /** Ends the session, and {@link run} throws `error`. */
  fail(error: unknown): void {
    this.#failure ??= { error };
    this.#end("a fault");
  }

  async #watch(): Promise<void> {
    this.#end(await this.#connection.closed);
  }

  #end(reason: string): void {
    this.#over ??= reason;
    this.#wake();
  }

  /** Sends one message, if one is due. */
  #send(): boolean {
    const { window, clock, counters, testimony } = this.#parts;
    // Before any statement: whoever takes those may be about to sign what it must not.
    const proof = testimony.next();
    if (proof !== undefined) {
      counters.add(UPLINK_SCOPE, "receipts-sent");
      void this.#publish([], proof);
      return true;
    }
    const message = window.next(clock.monotonicMs());
    if (message === undefined) return false;
    counters.add(UPLINK_SCOPE, "messages-sent");
    counters.add(UPLINK_SCOPE, "statements-sent", message.items.length);
    void this.#publish(
      message.items.map(({ id }) => id),
      concatBytes(...message.items.map(({ bytes }) => bytes)),
    );
    return true;
  }

  async #publish(ids: readonly number[], payload: Uint8Array): Promise<void> {
    if (this.#inFlight === 0) this.#aliveMs = this.#parts.clock.monotonicMs();
    this.#inFlight += 1;
    try {
      await this.#connection.publish(upTopic(this.#parts.iss), payload);
      this.#parts.window.acked(ids);
      this.#aliveMs = this.#parts.clock.monotonicMs();
    } catch {
      // The connection is lost, which `closed` tells; the window knows what nobody acknowledged.
    }
    this.#inFlight -= 1;
    this.#wake();
  }

  #isStuck(): boolean {
    return this.#inFlight > 0 && this.#parts.clock.monotonicMs() - this.#aliveMs >= STUCK_MS;
  }

  /** Waits until something changed or is due. */
  async #idle(): Promise<void> {
    const { timer, clock, window, testimony } = this.#parts;
    const nowMs = clock.monotonicMs();
    const sendMs = this.#inFlight < MAX_IN_FLIGHT ? Math.min(window.dueMs(nowMs), testimony.dueMs) : Infinity;
    const dueMs = Math.min(sendMs, this.#inFlight > 0 ? this.#aliveMs + STUCK_MS : Infinity);
    await new Promise<void>((resolve) => {
      const cancel = dueMs === Infinity ? undefined : timer.after(dueMs - nowMs, () => this.#wake());
      this.#wake = () => {
        cancel?.();
        this.#wake = () => {};
        resolve();
      };
    });
  }
}
